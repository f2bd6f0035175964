/* The guest's part of a change of a machine that runs: this program, started once more by the agent. */
#pragma once

/*
 * `grow PATH BYTES`: the ext4 file system that is mounted on PATH becomes as large as its disk, which the kernel may learn
 * only in a moment to have BYTES. `processors COUNT`, `memory BYTES`: what is there and offline goes online, until so much
 * is. Several may follow one another. Returns what the program is to end with; stderr says why it is not 0.
 */
int adjust_main(char **args);
/* The same of a file system at boot, without a word: most have nothing to do. */
void adjust_grow(const char *path);
