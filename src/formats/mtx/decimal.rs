//! Decimal numbers of a text, eight digits at a time.

/// A number and where it ends.
pub(super) type Found<T> = Option<(T, usize)>;

const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Decimal exponents for which [`scale`] has a factor: `5^55` is the last power below `2^128`.
const MOST: i64 = 55;

/// The leading 128 bits of `5^q` for `q` in `-MOST..=MOST`, the highest bit set. Positive powers are exact; the
/// reciprocals are cut off, those down to `5^-27` rounded up, which is what the proof of [`scale`] needs.
static FIVES: [u128; 2 * MOST as usize + 1] = fives();

const fn fives() -> [u128; 2 * MOST as usize + 1] {
    let mut table = [0; 2 * MOST as usize + 1];
    let (mut power, mut k) = (1u128, 0);
    while k <= MOST as usize {
        table[MOST as usize + k] = power << power.leading_zeros();
        if k > 0 {
            // 2^(bits + 127) / power by long division: the remainder doubles in each step.
            let (mut quotient, mut rest, mut step) = (0u128, 1u128, 0);
            while step < 128 - power.leading_zeros() + 127 {
                let carry = rest >> 127 == 1;
                rest = rest.wrapping_shl(1);
                quotient <<= 1;
                if carry || rest >= power {
                    rest = rest.wrapping_sub(power);
                    quotient |= 1;
                }
                step += 1;
            }
            table[MOST as usize - k] = quotient + (k <= 27) as u128;
        }
        power = power.wrapping_mul(5);
        k += 1;
    }
    table
}

/// `mantissa * 10^exponent`, correctly rounded, by one 64 x 128 bit product; `None` where that does not decide the
/// rounding, or the exponent is beyond [`MOST`]. The method is Eisel's and Lemire's ("Number parsing at a gigabyte per
/// second", 2021).
#[inline(always)]
pub(super) fn scale(mantissa: u64, exponent: i64) -> Option<f64> {
    if mantissa == 0 {
        return Some(0.0);
    }
    let five = FIVES.get(usize::try_from(exponent + MOST).ok()?)?;
    let zeros = mantissa.leading_zeros();
    let product = u128::from(mantissa << zeros) * (five >> 64);
    let (high, low) = ((product >> 64) as u64, product as u64);
    // Where the low half of the factor could carry into the bits that decide, and what lies exactly between two numbers.
    if high & 0x1ff == 0x1ff || low.wrapping_add(1) <= 2 {
        return scale_exactly(mantissa, exponent);
    }
    let upper = high >> 63;
    let bits = high >> (upper + 9);
    // Half, rounded up: 53 bits, or 2^53, whose carry goes where it belongs. No exponent here leaves the normal numbers.
    let bits = bits - (bits >> 1);
    let power = ((exponent * 217_706) >> 16) + 62 + upper as i64 - i64::from(zeros) + 1023;
    Some(f64::from_bits(((power as u64) << 52).wrapping_add(bits)))
}

/// [`scale`] in the few cases that need a second look.
#[cold]
#[inline(never)]
fn scale_exactly(mantissa: u64, exponent: i64) -> Option<f64> {
    let five = *FIVES.get(usize::try_from(exponent + MOST).ok()?)?;
    let zeros = mantissa.leading_zeros();
    let w = u128::from(mantissa << zeros);
    let mut product = w * (five >> 64);
    // The low half of the factor matters only where it could carry into the bits that decide.
    if (product >> 64) as u64 & 0x1ff == 0x1ff {
        product = product.wrapping_add((w * (five & u128::from(u64::MAX))) >> 64);
    }
    let (high, low) = ((product >> 64) as u64, product as u64);
    if low == u64::MAX && !(-27..=MOST).contains(&exponent) {
        return None;
    }
    let upper = high >> 63;
    let mut bits = high >> (upper + 9);
    let mut power = ((exponent * 217_706) >> 16) + 63 + upper as i64 - i64::from(zeros) + 1023;
    // Exactly between two numbers: to the even one.
    if low <= 1 && (-4..=23).contains(&exponent) && bits & 3 == 1 && bits << (upper + 9) == high {
        bits &= !1;
    }
    bits = (bits + (bits & 1)) >> 1;
    if bits >= 2 << 52 {
        bits = 1 << 52;
        power += 1;
    }
    Some(f64::from_bits((power as u64) << 52 | bits & !(1 << 52)))
}

const TENS: [u64; 9] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The decimal digits at `at`, at most eight: their value and how many there are. `None` within eight bytes of the end.
#[inline(always)]
fn digits(text: &[u8], at: usize) -> Option<(u64, usize)> {
    let eight = text.get(at..)?.first_chunk::<8>()?;
    let x = u64::from_le_bytes(*eight) ^ ZEROS;
    // The high bit of each byte that is no digit; carries only reach bytes behind the first of them.
    let others = (x.wrapping_add(0x7676_7676_7676_7676) | x) & HIGH;
    let count = (others.trailing_zeros() / 8) as usize;
    // The digits move up to the last bytes; zeros fill in front.
    let x = if count == 0 { 0 } else { x << (64 - 8 * count) };
    Some((eight_digits(x), count))
}

/// The number of eight digits, a byte each, the first one lowest.
#[inline(always)]
fn eight_digits(x: u64) -> u64 {
    let x = x.wrapping_mul(10).wrapping_add(x >> 8);
    let low = (x & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((x >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

/// An unsigned integer below 10^8 at `at`, up to the next byte that is no digit. `None` when there is none, it is
/// longer, or the text ends within eight bytes: the caller then looks again slowly.
#[inline(always)]
pub(super) fn index(text: &[u8], at: usize) -> Found<u64> {
    let (value, count) = digits(text, at)?;
    (1..8).contains(&count).then_some((value, at + count))
}

/// A decimal number at `at` that ends before white space. `None` when it is none, has more
/// than 19 digits, or a size that [`scale`] does not reach.
#[inline(always)]
pub(super) fn real(text: &[u8], at: usize) -> Found<f64> {
    let mut at = at;
    let negative = text.get(at) == Some(&b'-');
    at += usize::from(negative);
    let (mut mantissa, count) = digits(text, at)?;
    at += count;
    let mut total = count;
    if count == 8 {
        let (more, count) = digits(text, at)?;
        if count == 8 {
            return None;
        }
        mantissa = mantissa * TENS[count] + more;
        at += count;
        total += count;
    }
    let mut exponent = 0i64;
    if text.get(at) == Some(&b'.') {
        at += 1;
        loop {
            let (more, count) = digits(text, at)?;
            total += count;
            if total > 19 {
                return None;
            }
            mantissa = mantissa.wrapping_mul(TENS[count]).wrapping_add(more);
            at += count;
            exponent -= count as i64;
            if count < 8 {
                break;
            }
        }
    }
    if total == 0 {
        return None;
    }
    if matches!(text.get(at), Some(b'e' | b'E' | b'd' | b'D')) {
        at += 1;
        let below = text.get(at) == Some(&b'-');
        at += usize::from(below || text.get(at) == Some(&b'+'));
        let (value, end) = index(text, at)?;
        at = end;
        exponent += if below { -(value as i64) } else { value as i64 };
    }
    if *text.get(at)? > b' ' {
        return None;
    }
    let magnitude = scale(mantissa, exponent)?;
    Some((if negative { -magnitude } else { magnitude }, at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn padded(text: &str) -> Vec<u8> {
        format!("{text} {}", " ".repeat(16)).into_bytes()
    }

    #[test]
    fn integers_up_to_seven_digits() {
        for value in [0u64, 1, 9, 10, 12_345, 9_999_999] {
            let text = value.to_string();
            assert_eq!(index(&padded(&text), 0), Some((value, text.len())));
        }
        for text in ["", "-1", "x", "12345678", "123456789"] {
            assert_eq!(index(&padded(text), 0), None, "{text}");
        }
        assert_eq!(index(b"123", 0), None, "too near the end");
    }

    #[test]
    fn what_is_not_a_plain_number_is_left_to_others() {
        for text in
            ["", "-", ".", "e5", "nan", "inf", "1e", "1x", "1.5.2", "--1", "+1", "1e999", "12345678901234567890"]
        {
            assert_eq!(real(&padded(text), 0), None, "{text}");
        }
        assert_eq!(real(&padded("2.5D-01"), 0), Some((0.25, 7)));
        assert_eq!(real(&padded("-.5"), 0), Some((-0.5, 3)));
        assert_eq!(real(&padded("1."), 0), Some((1.0, 2)));
    }

    proptest! {
        #[test]
        fn a_value_that_is_found_is_the_correctly_rounded_one(value in any::<f64>(), digits in 0usize..18) {
            for text in [format!("{value:.digits$e}"), format!("{value:e}"), format!("{value}")] {
                if let Some((found, end)) = real(&padded(&text), 0) {
                    prop_assert_eq!(found.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
                    prop_assert_eq!(end, text.len());
                }
            }
        }

        #[test]
        fn ordinary_values_are_found(value in -1e5f64..1e5, power in -30i32..30) {
            for text in [format!("{value:.9}"), format!("{:.16e}", value * 10f64.powi(power))] {
                prop_assert_eq!(real(&padded(&text), 0), Some((text.parse().unwrap(), text.len())));
            }
        }

        #[test]
        fn values_between_two_numbers_go_to_the_even_one(bits in 0u64..1 << 53, exponent in -4i32..23) {
            // Halfway points have one bit more than f64 holds.
            let text = format!("{}e{exponent}", (1 << 53) + 2 * (bits >> 1) + 1);
            if let Some((found, _)) = real(&padded(&text), 0) {
                prop_assert_eq!(found, text.parse::<f64>().unwrap(), "{}", text);
            }
        }
    }
}
