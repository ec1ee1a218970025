/*
 * copy KIB WARMUP_S WINDOW_S
 *
 * The floor of bench/questions/file_copy.rb: copy_file_range from a file in the page cache to one
 * that is cut to nothing before.
 */
#define _GNU_SOURCE /* copy_file_range */
#include "floor.h"

enum { KIB = 1024 };

static int open_file(void)
{
    FILE *file = tmpfile();
    if (!file) die("tmpfile", errno);
    return fileno(file);
}

static void copy(int source, int target, size_t bytes)
{
    loff_t from = 0, to = 0;
    check(ftruncate(target, 0), "ftruncate");
    while (bytes > 0) {
        ssize_t count =
            check(copy_file_range(source, &from, target, &to, bytes, 0), "copy_file_range");
        if (count == 0) die("copy_file_range", EIO);
        bytes -= (size_t)count;
    }
}

int main(int argc, char **argv)
{
    static char piece[KIB];
    if (argc != 4) die("usage: copy KIB WARMUP_S WINDOW_S", EINVAL);
    size_t kib = strtoul(argv[1], NULL, 10);
    int source = open_file(), target = open_file();
    for (size_t i = 0; i < kib; i++) check(write(source, piece, sizeof(piece)), "write");

    struct stint stint = {0};
    await_go();
    stint_start(&stint, atof(argv[2]), atof(argv[3]));
    do {
        copy(source, target, kib * KIB);
        stint.ops++;
    } while (stint_goes_on_slowly(&stint));
    stint_report(&stint);
    return 0;
}
