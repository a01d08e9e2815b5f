/* TestU01 on 32-bit words from standard input: battery NAME forward|reversed [test number ...].
   After TestU01's own output come the number of words read and every p-value, one a line. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <testu01.h>

enum { BUFFER = 1 << 18, MOST_TESTS = 512 };

static const double BITS = 4294967296.0; /* Per test of Rabbit and Alphabit: 2**32. */
static uint32_t buffer[BUFFER];
static size_t place = BUFFER;
static unsigned long long words_read = 0;

static unsigned int next_word(void) {
    if (place == BUFFER) {
        if (fread(buffer, sizeof buffer[0], BUFFER, stdin) != BUFFER) {
            fprintf(stderr, "standard input has ended before the battery\n");
            exit(EXIT_FAILURE);
        }
        place = 0;
    }
    words_read++;
    return buffer[place++];
}

static unsigned int next_reversed_word(void) {
    uint32_t word = __builtin_bswap32(next_word());
    word = (word >> 4 & 0x0F0F0F0F) | (word & 0x0F0F0F0F) << 4;
    word = (word >> 2 & 0x33333333) | (word & 0x33333333) << 2;
    return (word >> 1 & 0x55555555) | (word & 0x55555555) << 1;
}

static void smallcrush(unif01_Gen *words, int *only) {
    only ? bbattery_RepeatSmallCrush(words, only) : bbattery_SmallCrush(words);
}
static void crush(unif01_Gen *words, int *only) {
    only ? bbattery_RepeatCrush(words, only) : bbattery_Crush(words);
}
static void bigcrush(unif01_Gen *words, int *only) {
    only ? bbattery_RepeatBigCrush(words, only) : bbattery_BigCrush(words);
}
static void rabbit(unif01_Gen *words, int *only) {
    only ? bbattery_RepeatRabbit(words, BITS, only) : bbattery_Rabbit(words, BITS);
}
static void alphabit(unif01_Gen *words, int *only) {
    only ? bbattery_RepeatAlphabit(words, BITS, 0, 32, only) : bbattery_Alphabit(words, BITS, 0, 32);
}

static const struct {
    const char *name;
    void (*run)(unif01_Gen *, int *);
} BATTERIES[] = {{"smallcrush", smallcrush},
                 {"crush", crush},
                 {"bigcrush", bigcrush},
                 {"rabbit", rabbit},
                 {"alphabit", alphabit}};

int main(int count, char **arguments) {
    static int chosen[MOST_TESTS];
    static char name[] = "interleaved streams";
    for (int i = 3; i < count; i++) {
        int test = atoi(arguments[i]);
        if (test > 0 && test < MOST_TESTS) chosen[test] = 1;
    }
    for (size_t i = 0; count > 2 && i < sizeof BATTERIES / sizeof BATTERIES[0]; i++) {
        if (strcmp(arguments[1], BATTERIES[i].name) != 0) continue;
        int is_reversed = strcmp(arguments[2], "reversed") == 0;
        unif01_Gen *words = unif01_CreateExternGenBits(name, is_reversed ? next_reversed_word : next_word);
        swrite_Basic = FALSE; /* The summary and the p-values are enough. */
        BATTERIES[i].run(words, count > 3 ? chosen : NULL);
        printf("words read\t%llu\n", words_read);
        for (int j = 0; j < bbattery_NTests; j++)
            if (bbattery_pVal[j] >= 0) printf("p-value\t%s\t%.17g\n", bbattery_TestNames[j], bbattery_pVal[j]);
        unif01_DeleteExternGenBits(words);
        return EXIT_SUCCESS;
    }
    fprintf(stderr, "usage: battery smallcrush|crush|bigcrush|rabbit|alphabit forward|reversed [test ...]\n");
    return EXIT_FAILURE;
}
