"""All comparisons, in the order in which they are made."""

import eigen
import fetch
import guyan
import kernels
import reading

CASES = kernels.CASES + eigen.CASES + guyan.CASES + reading.CASES + fetch.CASES
