// Elementary functions in f32 whose error does not depend on what a driver's own functions do: WGSL allows those of exp
// 3 + 2 |x| units in the last place, of sin and cos 2^-11.
//
// Reductions are made in integers or end in exact products, and each sum that must stay as written passes through
// `opaque` (common/dispatch.wgsl), so that no optimiser regroups it. The bounds that src/numeric/expr/interval.rs states
// count every rounding below as half a unit, a quotient as 2.5 and a root as 4.5; polynomials are off by less than a tenth.

fn zero_word() -> u32 {
    return params.dispatch.zero;
}

fn kept(x: f32) -> f32 {
    return opaque(x, zero_word());
}

fn not_a_number() -> f32 {
    return bitcast<f32>(0x7fc00000u ^ zero_word());
}

fn infinite() -> f32 {
    return bitcast<f32>(0x7f800000u ^ zero_word());
}

// 2^k for -126 <= k <= 127.
fn power_of_two(k: i32) -> f32 {
    return bitcast<f32>(u32(k + 127) << 23u);
}

// x 2^k for |k| <= 252.
fn scale(x: f32, k: i32) -> f32 {
    let half = k / 2;
    return kept(x * power_of_two(half)) * power_of_two(k - half);
}

// e^r - 1 for |r| <= 0.35: r + r^2/2 + ... + r^7/5040; the rest is below 2^-30 of it.
fn exp_series(r: f32) -> f32 {
    var p = 1.9841270e-4;
    p = p * r + 1.3888889e-3;
    p = p * r + 8.3333333e-3;
    p = p * r + 4.1666667e-2;
    p = p * r + 1.6666667e-1;
    p = p * r + 0.5;
    return r + r * r * p;
}

struct Reduced {
    r: f32,
    k: i32,
}

// x = k ln 2 + r for |x| <= 110. The first part of ln 2 has 9 bits: its product with k is exact, and so is the difference.
fn exp_reduce(x: f32) -> Reduced {
    let k = floor(x * 1.4426950 + 0.5);
    let first = kept(x - kept(k * 0.693359375));
    return Reduced(kept(first - k * -2.1219444e-4), i32(k));
}

fn f_exp(x: f32) -> f32 {
    let reduced = exp_reduce(clamp(x, -104.0, 89.0));
    let value = scale(1.0 + exp_series(reduced.r), reduced.k);
    return select(select(value, infinite(), x > 88.8), x, x != x);
}

fn f_expm1(x: f32) -> f32 {
    let reduced = exp_reduce(clamp(x, -104.0, 88.5));
    let series = exp_series(reduced.r);
    // 2^k (series + 1) - 1 in an order in which nothing is lost; from 2^25 on the 1 is not seen.
    let k = clamp(reduced.k, -30, 100);
    let power = power_of_two(k);
    let value = kept(power * series) + kept(power - 1.0);
    let large = f_exp(x);
    return select(select(value, large, x > 60.0), x, x != x || abs(x) < 1e-9);
}

struct Mantissa {
    f: f32,
    k: f32,
}

// x = 2^k (1 + f), 1 + f from sqrt(1/2) to sqrt(2), for positive x; numbers below the normal ones are scaled first.
fn log_reduce(x: f32) -> Mantissa {
    let small = x < 1.1754944e-38;
    let bits = bitcast<u32>(select(x, x * 16777216.0, small));
    let from_root = bits - 0x3f3504f3u + 0x3f800000u;
    let k = i32(from_root >> 23u) - 127 - select(0, 24, small);
    let mantissa = bitcast<f32>(bits - (from_root & 0xff800000u) + 0x3f800000u);
    return Mantissa(mantissa - 1.0, f32(k));
}

// log(1 + f) as fdlibm has it: f - (f^2/2 - s (f^2/2 + R)) with s = f / (2 + f). The part after f is returned.
fn log_rest(f: f32) -> f32 {
    let s = f / (2.0 + f);
    let z = s * s;
    var r = 0.24279079;
    r = r * z + 0.28498787;
    r = r * z + 0.40000972;
    r = r * z + 0.66666663;
    let half_square = 0.5 * f * f;
    return half_square - s * (half_square + z * r);
}

// Domain of the logarithms: NaN below 0, minus infinity at 0, infinity there.
fn log_domain(value: f32, x: f32) -> f32 {
    let ends = select(select(value, -infinite(), x == 0.0), not_a_number(), x < 0.0 || x != x);
    return select(ends, x, x > 3.4028234e38);
}

fn f_log(x: f32) -> f32 {
    let m = log_reduce(x);
    // ln 2 in two parts; the first has 9 bits.
    let low = m.k * -2.1219444e-4;
    return log_domain(kept(m.k * 0.693359375) + kept(m.f - (log_rest(m.f) - low)), x);
}

fn f_log1p(x: f32) -> f32 {
    let u = kept(1.0 + x);
    // What the sum lost, whichever of the two is larger.
    let back = kept(u - 1.0);
    let lost = kept(1.0 - kept(u - back)) + kept(x - back);
    let m = log_reduce(u);
    let low = m.k * -2.1219444e-4 + lost / u;
    let value = kept(m.k * 0.693359375) + kept(m.f - (log_rest(m.f) - low));
    return select(log_domain(value, u), x, abs(x) < 1e-9);
}

fn f_log2(x: f32) -> f32 {
    let m = log_reduce(x);
    let y = m.f - log_rest(m.f);
    return log_domain(m.k + kept(y * 1.4426950), x);
}

fn f_log10(x: f32) -> f32 {
    let m = log_reduce(x);
    let y = m.f - log_rest(m.f);
    // log10 2 in two parts; the first has 9 bits.
    let value = kept(m.k * 0.30078125) + kept(y * 0.43429448 + m.k * 2.4874566e-4);
    return log_domain(value, x);
}

// The 32 bits of 2/pi from bit `at` on (bit 0 is worth 1/2); 2/pi to 192 bits.
fn two_over_pi(at: u32) -> u32 {
    var words = array<u32, 7>(0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu);
    let word = at >> 5u;
    let shift = at & 31u;
    let high = words[word] << shift;
    let low = select(words[word + 1u] >> (32u - shift), 0u, shift == 0u);
    return high | low;
}

struct Turn {
    r: f32,
    quarter: u32,
}

// x = quarter pi/2 + r, |r| <= pi/4, exact to 2^-32 of r for every finite x: the product of x's 24 bits with the bits of
// 2/pi that matter, modulo 4, in integers.
fn turn_reduce(x: f32) -> Turn {
    let magnitude = abs(x);
    // Below pi/4 there is nothing to take off.
    if magnitude <= 0.78539816 {
        return Turn(x, 0u);
    }
    let bits = bitcast<u32>(magnitude);
    let exponent = bits >> 23u;
    let mantissa = (bits & 0x7fffffu) | 0x800000u;
    // x = mantissa 2^(exponent - 150). Bits of 2/pi that give whole turns are left out: the 96 bits from w0 on begin with
    // the one that is worth 2, with zeros before the first bit of all where x is small.
    let zeros_before = 152u - min(exponent, 152u);
    let at = max(exponent, 152u) - 152u;
    let w0 = select(two_over_pi(at), two_over_pi(0u) >> zeros_before, zeros_before > 0u);
    let w1 = two_over_pi(at + 32u - zeros_before);
    let w2 = two_over_pi(at + 64u - zeros_before);
    let p2 = multiply_64(mantissa, w2);
    let p1 = multiply_64(mantissa, w1);
    let p0 = mantissa * w0;
    let middle = p1.x + p2.y;
    let carry = select(0u, 1u, middle < p1.x);
    // The product modulo 4, times 2^62.
    let high = p0 + p1.y + carry;
    let low = middle;
    var quarter = high >> 30u;
    // The fraction, signed and to the nearest quarter, in 64 bits.
    var f_high = (high << 2u) | (low >> 30u);
    var f_low = low << 2u;
    let up = (f_high & 0x80000000u) != 0u;
    if up {
        quarter += 1u;
        // Negated: it is counted down from the next quarter.
        f_high = ~f_high;
        f_low = ~f_low;
    }
    // Normalised, so that 32 bits count.
    let zeros = min(countLeadingZeros(f_high), 31u);
    let aligned = select((f_high << zeros) | (f_low >> (32u - zeros)), f_high, zeros == 0u);
    let fraction = f32(aligned) * power_of_two(-32 - i32(zeros));
    var r = fraction * 1.5707964;
    r = select(r, -r, up != (x < 0.0));
    quarter = select(quarter, 0u - quarter, x < 0.0);
    return Turn(r, quarter & 3u);
}

// fdlibm's k_sinf.c and k_cosf.c, for |r| <= pi/4.
fn sin_series(r: f32) -> f32 {
    let z = r * r;
    var p = 2.7183114e-6;
    p = p * z + -1.9839335e-4;
    p = p * z + 8.3333294e-3;
    p = p * z + -1.6666667e-1;
    return r + r * z * p;
}

fn cos_series(r: f32) -> f32 {
    let z = r * r;
    var p = 2.4390449e-5;
    p = p * z + -1.3886763e-3;
    p = p * z + 4.1666623e-2;
    return 1.0 - (0.5 * z - z * z * p);
}

fn turned(r: f32, quarter: u32) -> f32 {
    let value = select(sin_series(r), cos_series(r), (quarter & 1u) != 0u);
    return select(value, -value, (quarter & 2u) != 0u);
}

fn f_sin(x: f32) -> f32 {
    let turn = turn_reduce(x);
    return select(turned(turn.r, turn.quarter), not_a_number(), !(abs(x) <= 3.4028234e38));
}

fn f_cos(x: f32) -> f32 {
    let turn = turn_reduce(x);
    return select(turned(turn.r, turn.quarter + 1u), not_a_number(), !(abs(x) <= 3.4028234e38));
}

fn f_tan(x: f32) -> f32 {
    let turn = turn_reduce(x);
    let value = turned(turn.r, turn.quarter) / turned(turn.r, turn.quarter + 1u);
    return select(value, not_a_number(), !(abs(x) <= 3.4028234e38));
}

fn f_sinh(x: f32) -> f32 {
    let t = f_expm1(min(abs(x), 88.0));
    // From 88 on e^x / 2 as (e^(x/2))^2 / 2, which overflows later.
    let half = f_exp(0.5 * abs(x));
    let value = select(0.5 * (t + t / (t + 1.0)), 0.5 * half * half, abs(x) > 20.0);
    return select(select(value, -value, x < 0.0), x, x != x || abs(x) < 1e-9);
}

fn f_cosh(x: f32) -> f32 {
    let half = f_exp(0.5 * abs(x));
    let e = half * half;
    return select(select(0.5 * (e + 1.0 / e), 0.5 * half * half, abs(x) > 20.0), x, x != x);
}

fn f_tanh(x: f32) -> f32 {
    let t = f_expm1(2.0 * min(abs(x), 10.0));
    let value = t / (t + 2.0);
    return select(select(value, -value, x < 0.0), x, x != x || abs(x) < 1e-9);
}

// atan(x) for 0 <= x <= tan(pi/8): x - x^3/3 + ..., Cephes' atanf.
fn atan_series(x: f32) -> f32 {
    let z = x * x;
    var p = 8.05374449538e-2;
    p = p * z + -1.38776856032e-1;
    p = p * z + 1.99777106478e-1;
    p = p * z + -3.33329491539e-1;
    return x + x * z * p;
}

// The angle of (x, y) for 0 <= y, 0 <= x, not both 0.
fn angle(y: f32, x: f32) -> f32 {
    // The smaller by the larger; above tan(pi/8), pi/4 and what is left.
    let steep = y > x;
    let small = select(y, x, steep);
    let large = select(x, y, steep);
    let t = select(small / large, 1.0, small == large);
    let far = t > 0.41421356;
    let reduced = select(t, (t - 1.0) / (t + 1.0), far);
    let value = select(0.0, 0.78539816, far) + atan_series(reduced);
    return select(value, 1.5707964 - value, steep);
}

fn f_arctan2(y: f32, x: f32) -> f32 {
    let first = angle(abs(y), abs(x));
    let second = select(first, 3.1415927 - first, x < 0.0);
    let value = select(second, -second, y < 0.0);
    return select(select(value, 0.0, x == 0.0 && y == 0.0), x + y, x != x || y != y);
}

fn f_arctan(x: f32) -> f32 {
    let value = angle(abs(x), 1.0);
    return select(select(value, -value, x < 0.0), x, x != x || abs(x) < 1e-9);
}

fn f_arcsin(x: f32) -> f32 {
    let value = f_arctan2(x, sqrt((1.0 - x) * (1.0 + x)));
    return select(value, not_a_number(), !(abs(x) <= 1.0));
}

fn f_arccos(x: f32) -> f32 {
    let value = f_arctan2(sqrt((1.0 - x) * (1.0 + x)), x);
    return select(value, not_a_number(), !(abs(x) <= 1.0));
}

// a^b = e^(b log a), with C's cases.
fn f_power(a: f32, b: f32) -> f32 {
    let whole = floor(b) == b;
    let odd = whole && abs(b) < 16777216.0 && (i32(b) & 1) != 0;
    let size = f_exp(b * f_log(abs(a)));
    let at_zero = select(0.0, infinite(), b < 0.0);
    var value = select(size, at_zero, a == 0.0);
    value = select(value, -value, a < 0.0 && odd);
    value = select(value, not_a_number(), (a < 0.0 && !whole) || a != a || b != b);
    return select(value, 1.0, b == 0.0 || a == 1.0);
}

// Python's rest of a division.
fn f_modulo(a: f32, b: f32) -> f32 {
    return kept(a - kept(b * floor(a / b)));
}

// NaN wins.
fn f_min(a: f32, b: f32) -> f32 {
    return select(select(a + b, b, b <= a), a, a < b);
}

fn f_max(a: f32, b: f32) -> f32 {
    return select(select(a + b, b, b >= a), a, a > b);
}
