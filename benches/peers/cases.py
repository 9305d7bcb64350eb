"""All comparisons, in the order in which they are made."""

import eigen
import guyan
import kernels
import reading
import sincos
import sums

CASES = kernels.CASES + eigen.CASES + guyan.CASES + reading.CASES + sincos.CASES + sums.CASES
