//! The sizes of a sweep, as a user writes them: `1e3..1e7` or `1e3,5e4`.

use crate::error::{Error, Result};
use crate::units::parse_count;

/// Sizes a decade of a range, unless `--points` says otherwise: the least for which straight lines between them keep a
/// curve with a start-up cost within 5 %.
const A_DECADE: f64 = 2.0;

/// More would take hours and tell nothing new.
const MOST: u64 = 200;

/// Reads `text`: a list of sizes, or a range `A..B` of which `points` are taken, each a fixed factor above the one
/// before. Ascending; the ends of a range are exact, sizes between are rounded to two digits where they are far enough
/// apart.
///
/// # Errors
/// [`Error::Usage`] for anything else, for 0, and for a size that is named twice.
pub fn parse(text: &str, points: Option<u64>) -> Result<Vec<u64>> {
    let wrong = |why: String| Error::Usage(format!("--sizes {text}: {why}"));
    let count = |part: &str| match parse_count(part) {
        // Three dots: a slip, not a range to `.5e3`.
        _ if part.starts_with('.') => Err(wrong(format!("'{part}' is not a whole number"))),
        Ok(0) => Err(wrong("a size is at least 1".into())),
        Ok(count) => Ok(count),
        Err(why) => Err(wrong(why)),
    };
    if let Some(most) = points.filter(|points| !(2..=MOST).contains(points)) {
        return Err(Error::Usage(format!("--points {most}: take 2 to {MOST}")));
    }
    let Some((from, to)) = text.split_once("..") else {
        if points.is_some() {
            return Err(wrong("a list has its own points; --points is for a range such as 1e3..1e7".into()));
        }
        let mut sizes = text.split(',').map(count).collect::<Result<Vec<u64>>>()?;
        if sizes.len() as u64 > MOST {
            return Err(wrong(format!("at most {MOST} sizes")));
        }
        sizes.sort_unstable();
        if let Some(twice) = sizes.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(wrong(format!("{} is named twice", twice[0])));
        }
        return Ok(sizes);
    };
    let (from, to) = (count(from)?, count(to)?);
    if from > to {
        return Err(wrong("the first size is the larger one".into()));
    }
    if from == to {
        return Ok(vec![from]);
    }
    let decades = (to as f64 / from as f64).log10();
    let points = points.unwrap_or(((A_DECADE * decades).round() as u64 + 1).clamp(2, MOST));
    let step = (to as f64 / from as f64).powf(1.0 / (points - 1) as f64);
    let mut sizes: Vec<u64> = (0..points)
        .map(|i| match i {
            0 => from,
            _ if i == points - 1 => to,
            _ => two_digits(from as f64 * step.powf(i as f64), step).clamp(from, to),
        })
        .collect();
    // Few numbers lie between close ends.
    sizes.dedup();
    Ok(sizes)
}

/// `size` rounded to two digits where that moves it by less than a tenth of the `step` to the next one.
fn two_digits(size: f64, step: f64) -> u64 {
    let scale = 10f64.powf((size.log10().floor() - 1.0).max(0.0));
    let rounded = (size / scale).round() * scale;
    if (rounded / size).ln().abs() < 0.1 * step.ln() { rounded as u64 } else { size.round() as u64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_geometric_and_lists_are_sorted() {
        assert_eq!(parse("1e3..1e5", None).unwrap(), [1000, 3200, 10_000, 32_000, 100_000]);
        assert_eq!(parse("1e3..1e7", None).unwrap().len(), 9);
        assert_eq!(parse("1e3..1e6", Some(2)).unwrap(), [1000, 1_000_000]);
        assert_eq!(parse("1..4", Some(3)).unwrap(), [1, 2, 4]);
        assert_eq!(parse("5..7", Some(50)).unwrap(), [5, 6, 7]);
        assert_eq!(parse("7..7", None).unwrap(), [7]);
        assert_eq!(parse("1e4,1e3, 5_000", None).unwrap(), [1000, 5000, 10_000]);
        assert_eq!(parse("12", None).unwrap(), [12]);
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error_that_says_why() {
        for (text, points, why) in [
            ("", None, "whole number"),
            ("..", None, "whole number"),
            ("1e3..", None, "whole number"),
            ("0..5", None, "at least 1"),
            ("0", None, "at least 1"),
            ("1e6..1e3", None, "larger"),
            ("1e3,1000", None, "twice"),
            ("1.5", None, "whole number"),
            ("-5..5", None, "whole number"),
            ("1..2..3", None, "whole number"),
            ("1e3...1e4", None, "whole number"),
            ("1e99", None, "2^64"),
            ("1e3,", None, "whole number"),
            ("1e3,1e4", Some(5), "list"),
            ("1e3..1e4", Some(1), "--points"),
            ("1e3..1e4", Some(0), "--points"),
            ("1e3..1e4", Some(100_000), "--points"),
        ] {
            let error = parse(text, points).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_range_keeps_its_ends_and_grows(from in 1u64.., to in 1u64.., points in 2u64..=200) {
            prop_assume!(from < to);
            let sizes = parse(&format!("{from}..{to}"), Some(points)).unwrap();
            prop_assert_eq!((sizes[0], *sizes.last().unwrap()), (from, to));
            prop_assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", sizes);
            prop_assert!(sizes.len() as u64 <= points);
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,40}") {
            let _ = parse(&text, None);
        }
    }
}
