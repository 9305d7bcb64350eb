//! Test data that several readers share, and damage to it.

use std::path::Path;

use proptest::prelude::*;

use super::source::Source;

/// A file of `tests/data/formats_fe`.
pub(crate) fn source(name: &str) -> Source {
    Source::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats_fe").join(name)).unwrap()
}

/// What happens to a file on its way: bytes flipped or replaced, pieces lost or doubled, an early end. Places are
/// fractions of the length.
#[derive(Debug, Clone)]
pub(crate) struct Damage {
    bytes: Vec<(f64, u8)>,
    cut: Option<f64>,
    /// A piece that is removed or repeated: start, length in bytes, repeated.
    piece: Option<(f64, usize, bool)>,
}

impl Damage {
    /// The damaged bytes.
    pub(crate) fn apply(&self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        let at = |fraction: f64, length: usize| (fraction * length as f64) as usize;
        for &(place, value) in &self.bytes {
            let i = at(place, bytes.len());
            if let Some(byte) = bytes.get_mut(i) {
                *byte = value;
            }
        }
        if let Some((place, length, repeated)) = self.piece {
            let start = at(place, bytes.len()).min(bytes.len());
            let end = (start + length).min(bytes.len());
            let piece = bytes[start..end].to_vec();
            bytes.splice(start..end, if repeated { [&piece[..], &piece[..]].concat() } else { Vec::new() });
        }
        if let Some(place) = self.cut {
            bytes.truncate(at(place, bytes.len()));
        }
        bytes
    }
}

/// Any damage; replaced bytes favour those that mean something to parsers.
pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(b"0123456789-+.eE ,\n\r*$\"=\0\xff".to_vec()),];
    (
        proptest::collection::vec((0.0..1.0, byte), 0..6),
        proptest::option::of(0.0..1.0),
        proptest::option::of((0.0..1.0, 1..200usize, any::<bool>())),
    )
        .prop_map(|(bytes, cut, piece)| Damage { bytes, cut, piece })
}
