/*
 * sync WARMUP_S WINDOW_S
 *
 * The floor of bench/questions/fsync.rb: one file, one write and one fsync after the other.
 */
#include "floor.h"

enum { BLOCK_BYTES = 4096 };

int main(int argc, char **argv)
{
    static char block[BLOCK_BYTES];
    if (argc != 3) die("usage: sync WARMUP_S WINDOW_S", EINVAL);
    FILE *file = tmpfile();
    if (!file) die("tmpfile", errno);
    int fd = fileno(file);

    struct stint stint = {0};
    await_go();
    stint_start(&stint, atof(argv[1]), atof(argv[2]));
    do {
        if (check(pwrite(fd, block, sizeof(block), 0), "pwrite") != BLOCK_BYTES) {
            die("pwrite", EMSGSIZE);
        }
        check(fsync(fd), "fsync");
        stint.ops++;
    } while (stint_goes_on_slowly(&stint));
    stint_report(&stint);
    return 0;
}
