//! Sparse matrices: ordering, factorization, solves.
