/* CHOLMOD behind a few functions without structures: supernodal L L' of a symmetric positive definite matrix.
   Each returns CHOLMOD's status, 0 for success. */
#include <stdlib.h>
#include <string.h>
#include <suitesparse/cholmod.h>

void openblas_set_num_threads(int threads);

typedef struct {
    cholmod_common common;
    cholmod_sparse *matrix;
    cholmod_factor *factor;
} solver;

/* The lower triangle in compressed columns of `order` columns. */
solver *solver_open(long order, const long *starts, const long *rows, const double *values, int metis)
{
    solver *s = calloc(1, sizeof *s);
    cholmod_common *c = &s->common;
    cholmod_l_start(c);
    c->supernodal = CHOLMOD_SUPERNODAL;
    c->nmethods = 1;
    c->method[0].ordering = metis ? CHOLMOD_METIS : CHOLMOD_AMD;
    s->matrix = cholmod_l_allocate_sparse(order, order, starts[order], 1, 1, -1, CHOLMOD_REAL, c);
    memcpy(s->matrix->p, starts, (order + 1) * sizeof *starts);
    memcpy(s->matrix->i, rows, starts[order] * sizeof *rows);
    memcpy(s->matrix->x, values, starts[order] * sizeof *values);
    return s;
}

int solver_analyse(solver *s)
{
    cholmod_l_free_factor(&s->factor, &s->common);
    s->factor = cholmod_l_analyze(s->matrix, &s->common);
    return s->common.status;
}

int solver_factor(solver *s, int threads)
{
    openblas_set_num_threads(threads);
    cholmod_l_factorize(s->matrix, s->factor, &s->common);
    return s->common.status;
}

/* For solves on several threads, each with a block of its own. */
void one_thread_each(void)
{
    openblas_set_num_threads(1);
}

/* Any thread may call it: the factor is only read. */
int solver_solve(solver *s, long columns, double *right, double *x)
{
    cholmod_common c;
    cholmod_l_start(&c);
    long order = s->factor->n;
    cholmod_dense b = {.nrow = order, .ncol = columns, .nzmax = order * columns, .d = order, .x = right,
                       .xtype = CHOLMOD_REAL, .dtype = CHOLMOD_DOUBLE};
    cholmod_dense *found = cholmod_l_solve(CHOLMOD_A, s->factor, &b, &c);
    if (found)
        memcpy(x, found->x, order * columns * sizeof *x);
    cholmod_l_free_dense(&found, &c);
    int status = c.status;
    cholmod_l_finish(&c);
    return status;
}
