//! Numbers as people write and read them: the one file where units are converted.

/// Reads a count as users type it: `1000`, `1e6`, `2.5e3`, `1_000_000`. Exact: a value that is not a whole number in
/// `0..=u64::MAX` is an error, never rounded.
///
/// # Errors
/// A message for the user when the text is not a count.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let clean: String = text.trim().chars().filter(|c| *c != '_').collect();
    let wrong = || format!("'{text}' is not a whole number; write it as 1000000, 1_000_000 or 1e6");
    if clean.is_empty() || clean.starts_with('+') {
        return Err(wrong());
    }
    if let Ok(count) = clean.parse::<u64>() {
        return Ok(count);
    }
    // mantissa[.fraction]e[+]exponent, evaluated in integers so that 1e19 stays exact.
    let lower = clean.to_ascii_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((lower.as_str(), "0"));
    let exponent: u32 = exponent.trim_start_matches('+').parse().map_err(|_| wrong())?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let places = u32::try_from(fraction.len()).map_err(|_| wrong())?;
    let shift = exponent.checked_sub(places).ok_or_else(wrong)?;
    let too_large = || format!("'{text}' is larger than 2^64 - 1");
    let digits: u128 = digits.parse().map_err(|_| too_large())?;
    let value = 10u128.checked_pow(shift).and_then(|p| p.checked_mul(digits)).ok_or_else(too_large)?;
    u64::try_from(value).map_err(|_| too_large())
}

/// Reads a size in bytes: a count, or one with `K`, `M`, `G`, `T` (powers of 1024; `KiB`, `KB` and `k` mean the same).
///
/// # Errors
/// A message for the user when the text is not a size.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let unit = trimmed.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_' || c == '.').to_ascii_lowercase();
    let (number, shift) = match unit.as_str() {
        "k" | "kb" | "kib" => (&trimmed[..trimmed.len() - unit.len()], 10),
        "m" | "mb" | "mib" => (&trimmed[..trimmed.len() - unit.len()], 20),
        "g" | "gb" | "gib" => (&trimmed[..trimmed.len() - unit.len()], 30),
        "t" | "tb" | "tib" => (&trimmed[..trimmed.len() - unit.len()], 40),
        _ => (trimmed, 0),
    };
    let count = parse_count(number).map_err(|_| format!("'{text}' is not a size; write it as 512M, 2GiB or 1e9"))?;
    count.checked_mul(1 << shift).ok_or_else(|| format!("'{text}' is larger than 2^64 - 1 bytes"))
}

/// Reads a duration as users type it: seconds (`0.5`, `1e-4`), or a number with `ns`, `us`, `ms` or `s`. At most a day.
///
/// # Errors
/// A message for the user when the text is not a duration.
pub fn parse_seconds(text: &str) -> Result<f64, String> {
    let trimmed = text.trim();
    let (number, scale) = TIME
        .iter()
        .find_map(|(scale, unit)| Some((trimmed.strip_suffix(unit)?.trim_end(), *scale)))
        .unwrap_or((trimmed, 1.0));
    match number.parse::<f64>() {
        Ok(value) if (0.0..=86_400.0).contains(&(value * scale)) => Ok(value * scale),
        _ => Err(format!("'{text}' is not a time of up to a day; write it as 100us, 1ms, 0.5 or 1e-4")),
    }
}

/// The units of time.
const TIME: &[(f64, &str)] = &[(1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s")];

/// A duration with three significant digits and a unit that keeps it between 1 and 1000: `12.3 ms`.
#[must_use]
pub fn seconds(value: f64) -> String {
    scaled(value, TIME)
}

/// A duration and its interval, all three in the unit of `value` and with the same decimals: `12.3 ms [12.1, 12.9]`.
/// An interval that three digits would show as a point gets up to two more: `105.2 ms [105.0, 105.5]`.
#[must_use]
pub fn seconds_range(value: f64, low: f64, high: f64) -> String {
    let text = seconds(value);
    let Some((number, unit)) = text.split_once(' ') else { return text };
    let scale = TIME.iter().find(|(_, name)| *name == unit).map_or(1.0, |(scale, _)| *scale);
    let decimals = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let shown = |x: f64, decimals: usize| format!("{:.decimals$}", x / scale);
    let told_apart = |d: &usize| low >= high || shown(low, *d) != shown(high, *d);
    let decimals = (decimals..decimals + 2).find(told_apart).unwrap_or(decimals + 2);
    format!("{} {unit} [{}, {}]", shown(value, decimals), shown(low, decimals), shown(high, decimals))
}

/// A rate or count with three significant digits: `1.25 G`.
#[must_use]
pub fn si(value: f64) -> String {
    scaled(value, &[(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P"), (1e18, "E")])
        .trim_end()
        .to_string()
}

/// The size of an error or of a bound, two digits: `0.041`, `1.6`, `2.5e-10`.
#[must_use]
pub fn error_size(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        x if (1e-2..0.0995).contains(&x) => 3,
        x if (0.0995..0.995).contains(&x) => 2,
        x if (0.995..9.95).contains(&x) => 1,
        x if (9.95..1e3).contains(&x) => 0,
        _ => return format!("{value:.1e}"),
    };
    format!("{value:.decimals$}")
}

/// A size in bytes, powers of 1024: `128 MiB`.
#[must_use]
pub fn bytes(value: u64) -> String {
    let exact = value as f64;
    if value < 1024 {
        return format!("{value} B");
    }
    scaled(exact, &[(1024.0, "KiB"), (1_048_576.0, "MiB"), (1_073_741_824.0, "GiB"), (1_099_511_627_776.0, "TiB")])
}

/// A whole number with `_` between groups of three digits, as the command line reads it back.
#[must_use]
pub fn grouped(value: u64) -> String {
    grouped_wide(value.into())
}

/// As [`grouped`], for sums beyond 64 bits.
#[must_use]
pub fn grouped_wide(value: u128) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// `value` in the largest unit that leaves it at 1 or above, three significant digits.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    if !value.is_finite() {
        return "-".into();
    }
    // 999.6 would print as 1000 of the smaller unit: take the next one.
    let (scale, unit) =
        units.iter().rev().find(|(scale, _)| value.abs() >= scale * 0.9995).copied().unwrap_or(units[0]);
    let shown = value / scale;
    let decimals = match shown.abs() {
        x if x >= 99.95 => 0,
        x if x >= 9.995 => 1,
        _ => 2,
    };
    format!("{shown:.decimals$} {unit}")
}

/// The noun for `count` of them.
#[must_use]
pub fn plural(noun: &str, count: u64) -> String {
    match count {
        1 => noun.to_string(),
        _ if noun.ends_with("ix") => format!("{}ices", &noun[..noun.len() - 2]),
        _ => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact() {
        assert_eq!(parse_count("1e6"), Ok(1_000_000));
        assert_eq!(parse_count("1_000_000"), Ok(1_000_000));
        assert_eq!(parse_count("2.5e3"), Ok(2500));
        assert_eq!(parse_count("9223372036854775808"), Ok(1 << 63));
        assert_eq!(parse_count("1.8446744073709551615e19"), Ok(u64::MAX));
        assert_eq!(parse_count("0"), Ok(0));
        assert_eq!(parse_count("1e0"), Ok(1));
        for wrong in ["", "1.5", "-1", "+1", "1e-3", "ten", "1e99", "1.8446744073709551616e19", "0x10", "nan", "1e"] {
            assert!(parse_count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_take_binary_units() {
        assert_eq!(parse_bytes("512M"), Ok(512 << 20));
        assert_eq!(parse_bytes("2GiB"), Ok(2 << 30));
        assert_eq!(parse_bytes("1e9"), Ok(1_000_000_000));
        assert!(parse_bytes("lots").is_err());
        assert!(parse_bytes("99999999999T").is_err());
    }

    #[test]
    fn times_take_units_and_have_an_end() {
        assert_eq!(parse_seconds("100us"), Ok(100.0 * 1e-6));
        assert_eq!(parse_seconds(" 1.5 ms "), Ok(0.0015));
        assert_eq!((parse_seconds("2s"), parse_seconds("0"), parse_seconds("1e-4")), (Ok(2.0), Ok(0.0), Ok(1e-4)));
        for wrong in ["", "s", "soon", "-1", "nan", "inf", "86401", "1h", "1e400ns"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn errors_have_two_digits() {
        let shown = [0.0, 2.5e-10, 0.041, 0.995, 1.57, 5.0, 30.0, 999.4, 1e5, f64::NAN].map(error_size);
        assert_eq!(shown, ["0", "2.5e-10", "0.041", "1.0", "1.6", "5.0", "30", "999", "1.0e5", "NaN"]);
    }

    #[test]
    fn shown_numbers_have_three_digits() {
        assert_eq!(seconds(0.0123456), "12.3 ms");
        assert_eq!(seconds(0.9999), "1.00 s");
        assert_eq!(seconds(0.0), "0.00 ns");
        assert_eq!(seconds(f64::NAN), "-");
        assert_eq!(seconds_range(0.0123456, 0.01231, 0.01299), "12.3 ms [12.3, 13.0]");
        assert_eq!(seconds_range(0.0123456, 0.0009, 2.0), "12.3 ms [0.9, 2000.0]");
        assert_eq!(seconds_range(0.10524, 0.105, 0.10548), "105.2 ms [105.0, 105.5]");
        assert_eq!(seconds_range(0.1, 0.1, 0.1), "100 ms [100, 100]");
        assert_eq!(seconds_range(f64::NAN, 0.0, 0.0), "-");
        assert_eq!(si(1_250_000_000.0), "1.25 G");
        assert_eq!(bytes(128 << 20), "128 MiB");
        assert_eq!(bytes(1000), "1000 B");
        assert_eq!(grouped(1_234_567), "1_234_567");
        assert_eq!(grouped(12), "12");
    }
}
