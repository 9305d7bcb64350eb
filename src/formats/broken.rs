//! Broken files for the tests of readers: what is done to a good one.

use proptest::prelude::*;
use proptest::sample::Index;

/// Tests that a reader answers broken forms of `$samples` (a `Vec<Vec<u8>>`) as `$survives(bytes)` asks, which panics where it
/// does not.
macro_rules! never_panics {
    ($samples:expr, $survives:expr) => {
        proptest::proptest! {
            #![proptest_config(proptest::prelude::ProptestConfig {
                cases: 400,
                failure_persistence: None,
                ..proptest::prelude::ProptestConfig::default()
            })]

            #[test]
            fn truncated_files_never_panic(bytes in $crate::formats::broken::truncated($samples)) {
                $survives(bytes);
            }

            #[test]
            fn flipped_bytes_never_panic(bytes in $crate::formats::broken::flipped($samples)) {
                $survives(bytes);
            }

            #[test]
            fn changed_numbers_never_panic(bytes in $crate::formats::broken::renumbered($samples)) {
                $survives(bytes);
            }
        }
    };
}
pub(crate) use never_panics;

fn one_of(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    proptest::sample::select(samples)
}

/// A file that ends too early.
pub(crate) fn truncated(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (one_of(samples), any::<Index>()).prop_map(|(mut bytes, at)| {
        bytes.truncate(at.index(bytes.len()));
        bytes
    })
}

/// Some bytes are others.
pub(crate) fn flipped(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let flips = proptest::collection::vec((any::<Index>(), any::<u8>()), 1..8);
    (one_of(samples), flips).prop_map(|(mut bytes, flips)| {
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes
    })
}

/// A run of digits is another number, so that counts and offsets are hit often.
pub(crate) fn renumbered(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        Just(0u64),
        Just(1),
        Just(u64::MAX),
        Just(1 << 63),
        Just(1 << 61),
        Just(u64::from(u32::MAX)),
        any::<u64>()
    ];
    (one_of(samples), any::<Index>(), value).prop_map(|(bytes, which, value)| {
        let is_first = |i: usize| bytes[i].is_ascii_digit() && (i == 0 || !bytes[i - 1].is_ascii_digit());
        let starts: Vec<usize> = (0..bytes.len()).filter(|i| is_first(*i)).collect();
        let start = starts[which.index(starts.len())];
        let digits = bytes[start..].iter().take_while(|c| c.is_ascii_digit()).count();
        [&bytes[..start], value.to_string().as_bytes(), &bytes[start + digits..]].concat()
    })
}
