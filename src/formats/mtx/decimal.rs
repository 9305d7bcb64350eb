//! Decimal numbers of a text, eight digits at a time.

/// A number and where it ends.
pub(super) type Found<T> = Option<(T, usize)>;

const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Powers of ten that f64 holds exactly.
const EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

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
    let x = x.wrapping_mul(10).wrapping_add(x >> 8);
    let low = (x & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((x >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    Some((low.wrapping_add(high) >> 32, count))
}

/// An unsigned integer below 10^8 at `at`, up to the next byte that is no digit. `None` when there is none, it is
/// longer, or the text ends within eight bytes: the caller then looks again slowly.
#[inline(always)]
pub(super) fn index(text: &[u8], at: usize) -> Found<u64> {
    let (value, count) = digits(text, at)?;
    (1..8).contains(&count).then_some((value, at + count))
}

/// A decimal number at `at` that ends before white space. `None` when it is none, or one whose correctly rounded value is
/// not one multiplication or division of exact numbers away.
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
    // Clinger's fast path: both operands are exact, so the one operation rounds correctly.
    if mantissa > 1 << 53 {
        return None;
    }
    let power = *EXACT.get(usize::try_from(exponent.unsigned_abs()).ok()?)?;
    let magnitude = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
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
        fn ordinary_values_are_found(value in -1e5f64..1e5) {
            let text = format!("{value:.9}");
            prop_assert_eq!(real(&padded(&text), 0), Some((text.parse().unwrap(), text.len())));
        }
    }
}
