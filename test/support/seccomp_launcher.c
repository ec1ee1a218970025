/* Runs a command under a filter that refuses some system calls:
 *
 *   seccomp_launcher ERRNO io_uring|preadv2 COMMAND [ARGUMENT...]
 *
 * io_uring is io_uring_setup, _enter and _register, as the default seccomp profile of a container
 * refuses them; preadv2 is that and pwritev2, which a filter may not know that is older than they.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct range {
    const char *name;
    unsigned first, last;
};

/* io_uring's numbers are the same on all architectures; the headers may be older than they are. */
static const struct range ranges[] = {{"io_uring", 425, 427},
                                      {"preadv2", SYS_preadv2, SYS_pwritev2}};

static const struct range *find(const char *name)
{
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (strcmp(ranges[i].name, name) == 0) return &ranges[i];
    return NULL;
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))

static int install(unsigned error, const struct range *refused)
{
    struct sock_filter filter[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, refused->first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, refused->last, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
    const struct range *refused = argc < 4 ? NULL : find(argv[2]);
    if (!refused) {
        fprintf(stderr, "usage: %s ERRNO io_uring|preadv2 COMMAND [ARGUMENT...]\n", argv[0]);
        return 2;
    }
    if (install((unsigned)atoi(argv[1]), refused)) {
        fprintf(stderr, "no seccomp filter: %s\n", strerror(errno));
        return 77;
    }
    execvp(argv[3], argv + 3);
    fprintf(stderr, "%s: %s\n", argv[3], strerror(errno));
    return 127;
}
