//! An entry of the usual form, `row column value` with single blanks, read with 32-byte vectors (AVX2).
//!
//! Two comparisons of the 64 bytes from the line's start on give one bit for each byte that is no digit, and one for each
//! line end. The places of all words follow from those bits by bit operations, without reading the text byte by byte, and
//! the next line starts where the bits say: numbers of several lines are converted at the same time.
//!
//! What binds is the number of instructions: a Zen 5 core, which did 4.9 a cycle at the most, reads a line in 10 ns. Two
//! lines of distant places in turn, or the comparisons with 64-byte vectors, were not faster.

use std::arch::x86_64::*;

use super::Field;
use super::decimal::scale;

/// An entry as it stands, counted from 1, and where the next line begins.
pub(super) struct Entry {
    pub(super) row: u64,
    pub(super) column: u64,
    pub(super) value: f64,
    pub(super) next: usize,
}

/// Bytes that must stand before a line and from its start on.
const BEFORE: usize = 40;
const AFTER: usize = 72;

/// Digits of a value at the most.
const DIGITS: usize = 24;

/// Whether this processor has what [`entry`] needs.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
}

/// The last `k` of 32 bytes, from `32 + k` on, and the last `k` of 8 bytes, from `56 + k` on.
static LAST: [u8; 96] = {
    let mut bytes = [0; 96];
    let mut k = 64;
    while k < 96 {
        bytes[k] = 0xff;
        k += 1;
    }
    bytes
};

/// The line that begins at `at`: at most 64 bytes long, indices of at most eight digits, a value of at most 24 digits that
/// `field` allows. `None` for any other form, and near the ends of the text.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline]
pub(super) fn entry(text: &[u8], at: usize, field: Field) -> Option<Entry> {
    if at.wrapping_sub(BEFORE) >= (text.len() + 1).saturating_sub(BEFORE + AFTER) {
        return None;
    }
    // Places count from the line's start. None exceeds 64, the number of bits, and what is read at a place reaches from 33
    // bytes before it to one behind it: all inside the text by the check above.
    // SAFETY: `at` is inside the text.
    let line = unsafe { text.as_ptr().add(at) };
    // SAFETY: `place` is at most 66, see above.
    let byte = |place: usize| unsafe { *line.add(place) };
    // SAFETY: 64 bytes follow.
    let (mut others, ends) = unsafe { classify(line) };
    let end = ends.trailing_zeros() as usize;

    let (first, second) = (take(&mut others), take(&mut others));
    let (row_digits, column_digits) = (first, second.wrapping_sub(first + 1));
    let blank = |place| matches!(byte(place), b' ' | b'\t');
    if !(1..=8).contains(&row_digits) || !(1..=8).contains(&column_digits) || !blank(first) || !blank(second) {
        return None;
    }
    // SAFETY: eight bytes stand before each of the places, and neither number has more digits.
    let place = unsafe { indices(line, [first, second], [row_digits, column_digits]) };

    // No branch: signs come as they like.
    let negative = u64::from(byte(second + 1) == b'-');
    others &= !(negative << (second + 1));
    let start = second + 1 + negative as usize;
    let point = take(&mut others);
    let (last, fraction, digits, behind);
    if byte(point) == b'.' {
        last = take(&mut others);
        // Wraps around where no bit is left; then the digits are too many.
        fraction = last.wrapping_sub(point + 1);
        digits = last - start - 1;
        behind = fraction;
    } else {
        without_point();
        last = point;
        fraction = 0;
        digits = last - start;
        behind = digits;
    }
    if !(1..=DIGITS).contains(&digits) {
        return None;
    }
    // SAFETY: 33 bytes stand before `last`; `behind` and `digits` are at most 24.
    let mantissa = unsafe { mantissa(line, last, behind, digits) }?;

    let mut exponent = -(fraction as i64);
    if last != end {
        let mut stop = last;
        if byte(stop) | 0x20 == b'e' || byte(stop) | 0x20 == b'd' {
            let below = byte(stop + 1) == b'-';
            let signed = below || byte(stop + 1) == b'+';
            if signed {
                take(&mut others);
            }
            let start = stop + 1 + usize::from(signed);
            stop = take(&mut others);
            let digits = stop.wrapping_sub(start);
            if !(1..=8).contains(&digits) || field == Field::Integer {
                return None;
            }
            // SAFETY: eight bytes stand before the place.
            let value = unsafe { indices(line, [stop, stop], [digits, 0]) } as i64;
            exponent += if below { -value } else { value };
        }
        stop += usize::from(byte(stop) == b'\r');
        if stop != end {
            return None;
        }
    }
    if end == 64 || field == Field::Integer && (last != point || mantissa > 1 << 53) {
        return None;
    }
    let value = f64::from_bits(scale(mantissa, exponent)?.to_bits() | negative << 63);
    Some(Entry { row: place & 0xffff_ffff, column: place >> 32, value, next: at + end + 1 })
}

/// The lowest bit's place, 64 when there is none; takes it away.
#[inline(always)]
fn take(bits: &mut u64) -> usize {
    let place = bits.trailing_zeros() as usize;
    *bits &= bits.wrapping_sub(1);
    place
}

/// A file's values have a point or they have none: a branch is foreseen, and others need not wait for the place.
#[cold]
fn without_point() {}

/// One bit for each of the 64 bytes from `line` on: those that are no digits, and line ends.
///
/// # Safety
/// The bytes are there.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline]
unsafe fn classify(line: *const u8) -> (u64, u64) {
    let bits = |bytes: __m256i| u64::from(_mm256_movemask_epi8(bytes) as u32);
    // Moved so that digits are the ten lowest signed numbers.
    let others = |bytes: __m256i| {
        let value = _mm256_sub_epi8(bytes, _mm256_set1_epi8((b'0' ^ 0x80) as i8));
        bits(_mm256_cmpgt_epi8(value, _mm256_set1_epi8(i8::MIN + 9)))
    };
    let ends = |bytes: __m256i| bits(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\n' as i8)));
    // SAFETY: by the caller's contract; the loads need no alignment.
    let (low, high) = unsafe { (_mm256_loadu_si256(line.cast()), _mm256_loadu_si256(line.add(32).cast())) };
    (others(low) | others(high) << 32, ends(low) | ends(high) << 32)
}

/// The two numbers of at most eight `digits` that end before `places`, the first one low.
///
/// # Safety
/// Eight bytes stand before each of the places; `digits` are at most 8.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline]
unsafe fn indices(line: *const u8, places: [usize; 2], digits: [usize; 2]) -> u64 {
    // SAFETY: by the caller's contract.
    let eight = |from: *const u8| unsafe { from.cast::<i64>().read_unaligned() };
    // SAFETY: as above.
    let (text, valid) = unsafe {
        let [row, column] = places.map(|place| eight(line.add(place).sub(8)));
        let [of_row, of_column] = digits.map(|digits| eight(LAST.as_ptr().add(56 + digits)));
        (_mm_set_epi64x(column, row), _mm_set_epi64x(of_column, of_row))
    };
    let ones = _mm_and_si128(_mm_sub_epi8(text, _mm_set1_epi8(b'0' as i8)), valid);
    // Neighbours join: numbers of two, of four, of eight digits.
    let twos = _mm_maddubs_epi16(ones, _mm_set1_epi16(0x010a));
    let fours = _mm_madd_epi16(twos, _mm_set1_epi32(0x0001_0064));
    let eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x0001_2710));
    _mm_cvtsi128_si64(eights) as u64
}

/// The `digits` that end before `last`, with a point before the last `fraction` of them (all of them where there is none),
/// as one whole number; `None` when it has more than 64 bits.
///
/// # Safety
/// 33 bytes stand before `last`; `fraction` and `digits` are at most 32.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline]
unsafe fn mantissa(line: *const u8, last: usize, fraction: usize, digits: usize) -> Option<u64> {
    // SAFETY: by the caller's contract.
    let (with_point, before_point, behind, valid) = unsafe {
        let last = line.add(last);
        (
            _mm256_loadu_si256(last.sub(32).cast()),
            _mm256_loadu_si256(last.sub(33).cast()),
            _mm256_loadu_si256(LAST.as_ptr().add(32 + fraction).cast()),
            _mm256_loadu_si256(LAST.as_ptr().add(32 + digits).cast()),
        )
    };
    // What stands before the point moves up by one byte and covers it.
    let text = _mm256_blendv_epi8(before_point, with_point, behind);
    let ones = _mm256_and_si256(_mm256_sub_epi8(text, _mm256_set1_epi8(b'0' as i8)), valid);
    // As in `indices`.
    let twos = _mm256_maddubs_epi16(ones, _mm256_set1_epi16(0x010a));
    let fours = _mm256_madd_epi16(twos, _mm256_set1_epi32(0x0001_0064));
    let eights = _mm256_madd_epi16(_mm256_packus_epi32(fours, fours), _mm256_set1_epi32(0x0001_2710));
    let high = _mm256_extract_epi64::<0>(eights) as u64 >> 32;
    let rest = _mm256_extract_epi64::<2>(eights) as u64;
    (high <= 1843).then(|| high * 10_000_000_000_000_000 + (rest & 0xffff_ffff) * 100_000_000 + (rest >> 32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `line` between other text; the entry must end with the line.
    fn read(line: &str, field: Field) -> Option<(u64, u64, f64)> {
        let text = format!("{}{line}\n{}", "9".repeat(BEFORE), "7".repeat(AFTER));
        // SAFETY: the tests ask first.
        let entry = unsafe { entry(text.as_bytes(), BEFORE, field) }?;
        assert_eq!(entry.next, BEFORE + line.len() + 1, "{line}");
        Some((entry.row, entry.column, entry.value))
    }

    #[test]
    fn usual_lines_are_read_and_others_are_left() {
        if !available() {
            return;
        }
        for (line, entry) in [
            ("1 1 0.4700854700854701", (1, 1, 0.470_085_470_085_470_1)),
            ("12345678\t87654321 -1.3877787807814457e-17", (12_345_678, 87_654_321, -1.387_778_780_781_445_7e-17)),
            ("7 8 5\r", (7, 8, 5.0)),
            ("7 8 -.5", (7, 8, -0.5)),
            ("7 8 3.D+02", (7, 8, 300.0)),
            ("7 8 0.00001234567890123456", (7, 8, 0.000_012_345_678_901_234_56)),
        ] {
            assert_eq!(read(line, Field::Real), Some(entry), "{line}");
        }
        for line in [
            "",
            "1",
            "1 2",
            "1 2 ",
            "1  2 3",
            " 1 2 3",
            "1 2 3 ",
            "1 2 3 4",
            "-1 2 3",
            "123456789 1 1",
            "1 2 .",
            "1 2 -",
            "1 2 --3",
            "1 2 +3",
            "1 2 nan",
            "1 2 1e",
            "1 2 1e+",
            "1 2 1e999",
            "1 2 1.2.3",
            "1 2 1x",
            "1,2,3",
            "% 1 2 3",
            "1 2 99999999999999999999",
            "1 2 0.0000000000000000000000001",
        ] {
            assert_eq!(read(line, Field::Real), None, "{line}");
        }
        assert_eq!(read("3 4 -12", Field::Integer), Some((3, 4, -12.0)));
        for line in ["3 4 1.0", "3 4 1e3", "3 4 9007199254740993"] {
            assert_eq!(read(line, Field::Integer), None, "{line}");
        }
        let text = "1 1 1\n".repeat(30);
        for at in (0..text.len()).step_by(6) {
            // SAFETY: asked above.
            let found = unsafe { entry(text.as_bytes(), at, Field::Real) };
            assert_eq!(found.is_some(), at >= BEFORE && text.len() - at >= AFTER);
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_standard_library_reads(
            (row, column) in (0u32..99_999_999, 0u32..99_999_999),
            value in any::<f64>(),
            near in -1e6f64..1e6,
            digits in 0usize..18,
        ) {
            let numbers = [format!("{value:e}"), format!("{near}"), format!("{near:.digits$}"), format!("{near:.digits$e}")];
            for number in numbers {
                let line = format!("{row} {column} {number}");
                if available() && let Some((r, c, x)) = read(&line, Field::Real) {
                    prop_assert_eq!((r, c), (u64::from(row), u64::from(column)));
                    prop_assert_eq!(x.to_bits(), number.parse::<f64>().unwrap().to_bits(), "{}", line);
                }
            }
        }

        #[test]
        fn no_bytes_are_read_as_something_else(noise in proptest::collection::vec(
            prop_oneof![Just(b'1'), Just(b'9'), Just(b' '), Just(b'.'), Just(b'-'), Just(b'e'), Just(b'\r'), any::<u8>()],
            0..70,
        )) {
            let noise: Vec<u8> = noise.into_iter().filter(|byte| *byte != b'\n').collect();
            let mut text = vec![b'3'; BEFORE];
            text.extend(&noise);
            text.push(b'\n');
            text.extend([b'5'; AFTER]);
            // SAFETY: asked before.
            if available() && let Some(entry) = unsafe { entry(&text, BEFORE, Field::Real) } {
                let line = std::str::from_utf8(&noise).unwrap();
                let words: Vec<_> = line.split_ascii_whitespace().collect();
                prop_assert_eq!(words.len(), 3);
                prop_assert_eq!(entry.row, words[0].parse::<u64>().unwrap());
                prop_assert_eq!(entry.column, words[1].parse::<u64>().unwrap());
                let value: f64 = words[2].to_lowercase().replace('d', "e").parse().unwrap();
                prop_assert_eq!(entry.value.to_bits(), value.to_bits());
            }
        }
    }
}
