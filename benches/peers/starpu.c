/* What StarPU takes for an empty independent task: submits argv[1] of them and waits, five times, and prints the median in
   seconds per task. Build: cc -O2 starpu.c $(pkg-config --cflags --libs starpu-1.3) */
#include <starpu.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5 };

static void nothing(void **buffers, void *arguments) {
    (void)buffers;
    (void)arguments;
}

static struct starpu_codelet codelet = {.cpu_funcs = {nothing}, .nbuffers = 0, .name = "nothing"};

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    const int tasks = argc > 1 ? atoi(argv[1]) : 50000;
    double seconds[ROUNDS];
    if (tasks <= 0 || starpu_init(NULL) != 0) return 1;
    for (int round = -1; round < ROUNDS; round++) { /* the first one warms up */
        const double begin = starpu_timing_now();
        for (int task = 0; task < tasks; task++) starpu_task_insert(&codelet, 0);
        starpu_task_wait_for_all();
        if (round >= 0) seconds[round] = (starpu_timing_now() - begin) * 1e-6;
    }
    qsort(seconds, ROUNDS, sizeof *seconds, ascending);
    printf("%.9f\n", seconds[ROUNDS / 2] / tasks);
    starpu_shutdown();
    return 0;
}
