"""The coefficients of src/numeric/trig/polynomial.rs and the bits of 2/pi in src/numeric/trig/reduce.rs, from their definitions.

Each polynomial is the minimax one by the exchange algorithm of Remez (1934), in 60 digits; then its coefficients are rounded, and
the error is measured with them as they stand. Needs mpmath: `pip install mpmath`.

    sin t = t + t z S(z)           error relative to sin t
    cos t = 1 + z (-1/2 + z D(z))  error absolute, z = t^2
"""

import struct

from mpmath import cos, floor, ldexp, linspace, lu_solve, matrix, mp, mpf, pi, sin, sqrt

mp.dps = 60
MARGIN = mpf(1) / 10**6  # what a reduced argument may exceed its range by


def s(z):
    t = sqrt(z)
    return (sin(t) / t - 1) / z if z > mpf(10) ** -15 else -mpf(1) / 6 + z / 120


def d(z):
    return (((cos(sqrt(z)) - 1) / z) + mpf(1) / 2) / z if z > mpf(10) ** -10 else mpf(1) / 24 - z / 720


def weight_s(z):
    return z * sqrt(z) / sin(sqrt(z))


def weight_d(z):
    return z * z


def evaluate(coefficients, z):
    sum_ = mpf(0)
    for c in reversed(coefficients):
        sum_ = sum_ * z + c
    return sum_


def remez(f, weight, terms, top):
    """Coefficients of the polynomial with `terms` terms that is closest to `f` on 0..top, errors times `weight`."""
    points = [top * (1 - cos(pi * (2 * i + 1) / (2 * terms + 2))) / 2 for i in range(terms + 1)]
    grid = linspace(top / 4000, top, 4000)
    for _ in range(12):
        system = matrix(terms + 1, terms + 1)
        for row, z in enumerate(points):
            for k in range(terms):
                system[row, k] = z**k
            system[row, terms] = (-1) ** row / weight(z)
        found = list(lu_solve(system, matrix([f(z) for z in points])))[:terms]
        errors = [(evaluate(found, z) - f(z)) * weight(z) for z in grid]
        # One extreme of each run of one sign; the last ones count when there are more.
        extremes = []
        for z, e in zip(grid, errors):
            if extremes and (extremes[-1][1] > 0) == (e > 0):
                if abs(e) > abs(extremes[-1][1]):
                    extremes[-1] = (z, e)
            else:
                extremes.append((z, e))
        if len(extremes) < terms + 1:
            break
        extremes = extremes[-terms - 1 :]
        points = [z for z, _ in extremes]
        sizes = [abs(e) for _, e in extremes]
        if max(sizes) < min(sizes) * mpf("1.001"):
            break
    return found


def rounded(x, single):
    return struct.unpack("f", struct.pack("f", float(x)))[0] if single else float(x)


def show(name, f, weight, terms, top, single):
    exact = remez(f, weight, terms, top)
    kept = [rounded(c, single) for c in exact]
    error = max(abs((evaluate([mpf(c) for c in kept], z) - f(z)) * weight(z)) for z in linspace(top / 4000, top, 4000))
    print(f"{name}: error 2^{float(mp.log(error, 2)):.1f}")
    for c in kept:
        print(f"    {c!r}," if not single else f"    {c:.9e},")


QUARTER, HALF = (pi / 4 + MARGIN) ** 2, (mpf(1) / 2 + MARGIN) ** 2
show("f64 S, |t| <= pi/4", s, weight_s, 7, QUARTER, False)
show("f64 D, |t| <= pi/4", d, weight_d, 6, QUARTER, False)
show("f64 S, |t| <= 1/2", s, weight_s, 6, HALF, False)
show("f64 D, |t| <= 1/2", d, weight_d, 5, HALF, False)
show("f32 S, |t| <= pi/4", s, weight_s, 4, QUARTER, True)
show("f32 D, |t| <= pi/4", d, weight_d, 3, QUARTER, True)

mp.dps = 500
print("2/pi, 64 zero bits first:")
bits = int(floor(ldexp(2 / pi, 64 * 21)))
print(", ".join(f"0x{bits >> 64 * (21 - i) & (1 << 64) - 1:016x}" for i in range(22)))
print("pi/2 as a sum:")
rest = pi / 2
for _ in range(3):
    part = float(rest)
    print(f"    {part!r} = {part.hex()}")
    rest -= mpf(part)
print("2/pi:", repr(float(2 / pi)))
