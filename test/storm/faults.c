/* Preloaded into a round of the storm: failures that a healthy machine does not have. They hit calls
 * that come from rota.so, so that Ruby itself never meets them; the clock steps for everybody.
 *
 *   cc -shared -fPIC -O1 -o faults.so faults.c */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ALLOCATIONS, SHORT_SENDS, BUSY_SOCKETS, CLOCK, SEED, RAISES, SETTINGS };

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

/* Per mille of the calls that fail, and for the clock seconds. */
static _Atomic long long settings[SETTINGS];
static _Atomic unsigned long long hits[SETTINGS];
static _Atomic uintptr_t first, last; /* where rota.so lies */

void storm_set(int setting, long long value);
unsigned long long storm_hits(int setting);

void storm_set(int setting, long long value)
{
    atomic_store(&settings[setting], value);
}

unsigned long long storm_hits(int setting)
{
    return atomic_load(&hits[setting]);
}

static int find_rota(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    const char *name = strrchr(info->dlpi_name, '/');
    if (!name || strcmp(name, "/rota.so") != 0) return 0;
    uintptr_t low = UINTPTR_MAX, high = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
        uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (start < low) low = start;
        if (start + info->dlpi_phdr[i].p_memsz > high) high = start + info->dlpi_phdr[i].p_memsz;
    }
    atomic_store(&last, high);
    atomic_store(&first, low);
    return 1;
}

static int is_rota(const void *caller)
{
    uintptr_t address = (uintptr_t)caller;
    if (!atomic_load(&first)) dl_iterate_phdr(find_rota, NULL);
    return atomic_load(&first) && address >= atomic_load(&first) && address < atomic_load(&last);
}

static uint64_t next_random(void)
{
    static _Thread_local uint64_t state;
    if (!state) state = (uint64_t)atomic_load(&settings[SEED]) * 2654435769u + 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int strikes(int setting, const void *caller)
{
    long long per_mille = atomic_load_explicit(&settings[setting], memory_order_relaxed);
    if (per_mille == 0 || !is_rota(caller)) return 0;
    if ((long long)(next_random() % 1000) >= per_mille) return 0;
    atomic_fetch_add(&hits[setting], 1);
    return 1;
}

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size)
{
    return strikes(ALLOCATIONS, __builtin_return_address(0)) ? no_memory() : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return strikes(ALLOCATIONS, __builtin_return_address(0)) ? no_memory()
                                                             : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return strikes(ALLOCATIONS, __builtin_return_address(0)) ? no_memory()
                                                             : __libc_realloc(memory, size);
}

/* Ruby's own raises when memory is out. */
extern void rb_memerror(void) __attribute__((weak));

void *ruby_xcalloc(size_t count, size_t size)
{
    static void *(*next)(size_t, size_t);
    if (strikes(RAISES, __builtin_return_address(0))) rb_memerror();
    if (!next) next = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "ruby_xcalloc");
    return next(count, size);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (strikes(ALLOCATIONS, __builtin_return_address(0))) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

/* A kernel may take less than it was given, or nothing at the moment. */
ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    const void *caller = __builtin_return_address(0);
    if (flags & MSG_DONTWAIT && strikes(BUSY_SOCKETS, caller)) {
        errno = EAGAIN;
        return -1;
    }
    if (length > 1 && strikes(SHORT_SENDS, caller)) length = 1 + next_random() % length;
    return sendto(fd, bytes, length, flags, NULL, 0);
}

/* Somebody sets the machine's clock: only the time of day steps. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (clock == CLOCK_REALTIME && result == 0) time->tv_sec += atomic_load(&settings[CLOCK]);
    return result;
}
