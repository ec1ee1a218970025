/*
 * reads WARMUP_S WINDOW_S
 *
 * The floor of bench/questions/random_reads.rb: pread at random offsets of a file in the page
 * cache.
 */
#include "floor.h"

enum { BLOCKS = 16384, BLOCK_BYTES = 4096 };

int main(int argc, char **argv)
{
    static char block[BLOCK_BYTES];
    if (argc != 3) die("usage: reads WARMUP_S WINDOW_S", EINVAL);
    FILE *file = tmpfile();
    if (!file) die("tmpfile", errno);
    int fd = fileno(file);
    for (int i = 0; i < BLOCKS; i++) check(write(fd, block, sizeof(block)), "write");

    struct stint stint = {0};
    await_go();
    stint_start(&stint, atof(argv[1]), atof(argv[2]));
    do {
        off_t offset = (off_t)(random() % BLOCKS) * BLOCK_BYTES;
        if (check(pread(fd, block, sizeof(block), offset), "pread") != BLOCK_BYTES) {
            die("pread", EMSGSIZE);
        }
        stint.ops++;
    } while (stint_goes_on(&stint));
    stint_report(&stint);
    return 0;
}
