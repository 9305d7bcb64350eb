//! The chunked transfer coding of HTTP/1.1, taken off as the bytes come.
//!
//! ```text
//! size in hex [; extension] CRLF, that many bytes, CRLF; ... ; 0 CRLF, trailer lines, CRLF
//! ```

/// Bytes of one line (a size with its extension, a trailer) at most.
const LINE: usize = 8192;

/// Bytes of all lines that carry no data, at most: a server that sends one byte a chunk stays below for 16 MB.
const OVERHEAD: u64 = 64 << 20;

/// Where the decoder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the line of a size.
    Size,
    /// So many bytes of data are left.
    Data(u64),
    /// Before the end of the line after the data.
    DataEnd,
    /// In the lines after the last chunk.
    Trailer,
    /// The empty line was seen.
    Done,
}

/// Takes the coding off.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    line: Vec<u8>,
    overhead: u64,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { state: State::Size, line: Vec::new(), overhead: 0 }
    }

    /// Whether the last chunk and its trailer were seen.
    pub(super) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Appends the data in `input` to `body`, which must not grow above `most`. Gives how many bytes of `input` were used: all
    /// of them unless it is done.
    ///
    /// # Errors
    /// What is wrong with the coding, or that the body is too large.
    pub(super) fn feed(&mut self, input: &[u8], body: &mut Vec<u8>, most: u64) -> Result<usize, Wrong> {
        let mut at = 0;
        while at < input.len() && !self.done() {
            if let State::Data(left) = self.state {
                let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len() - at);
                if body.len() as u64 + n as u64 > most {
                    return Err(Wrong::Large);
                }
                body.try_reserve(n).map_err(|_| Wrong::Large)?;
                body.extend_from_slice(&input[at..at + n]);
                at += n;
                let left = left - n as u64;
                self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                continue;
            }
            let byte = input[at];
            at += 1;
            self.overhead += 1;
            if self.overhead > OVERHEAD || self.line.len() >= LINE {
                return Err(Wrong::Coding("a chunk's line without end"));
            }
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
            self.state = match self.state {
                State::Size => match size(line).ok_or(Wrong::Coding("a chunk without a size"))? {
                    0 => State::Trailer,
                    size => State::Data(size),
                },
                State::DataEnd if line.is_empty() => State::Size,
                State::DataEnd => return Err(Wrong::Coding("a chunk that is longer than its size")),
                _ if line.is_empty() => State::Done,
                _ => State::Trailer,
            };
            self.line.clear();
        }
        Ok(at)
    }
}

/// Why a body could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It breaks the rules.
    Coding(&'static str),
    /// It is larger than allowed.
    Large,
}

/// The size at the begin of a chunk's line.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let hex = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u64::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]], most: u64) -> Result<(Vec<u8>, bool), Wrong> {
        let (mut chunked, mut body) = (Chunked::new(), Vec::new());
        for piece in pieces {
            chunked.feed(piece, &mut body, most)?;
        }
        Ok((body, chunked.done()))
    }

    #[test]
    fn chunks_extensions_and_trailers() {
        let text = b"4\r\nWiki\r\n6;name=value\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nExpires: never\r\n\r\n";
        assert_eq!(decode(&[text], 100), Ok((b"Wikipedia in \r\n\r\nchunks.".to_vec(), true)));
        assert_eq!(decode(&[b"3\nabc\n0\n\n"], 3), Ok((b"abc".to_vec(), true)), "bare line feeds are read");
        assert_eq!(decode(&[b"3\r\nab"], 9), Ok((b"ab".to_vec(), false)));
    }

    #[test]
    fn broken_ones_are_refused() {
        for text in [
            &b"\r\nabc"[..],
            b"x\r\n",
            b"-1\r\n",
            b"+1\r\na\r\n",
            b"1 2\r\n",
            b"fffffffffffffffff\r\n",
            b"3\r\nabcd\r\n",
        ] {
            assert!(matches!(decode(&[text], 100), Err(Wrong::Coding(_))), "{text:?}");
        }
        assert_eq!(decode(&[b"ffffffffffffffff\r\nabc"], 2), Err(Wrong::Large));
        assert!(matches!(decode(&[&[b'1'; LINE + 2]], 100), Err(Wrong::Coding(_))));
    }

    proptest! {
        #[test]
        fn any_cut_of_any_chunks_gives_the_data(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..8), cut in 1usize..20) {
            let mut text = Vec::new();
            for part in &parts {
                text.extend(format!("{:x}\r\n", part.len()).bytes());
                text.extend(part);
                text.extend(b"\r\n");
            }
            text.extend(b"0\r\n\r\n");
            let pieces: Vec<&[u8]> = text.chunks(cut).collect();
            prop_assert_eq!(decode(&pieces, 1 << 20), Ok((parts.concat(), true)));
        }

        #[test]
        fn no_input_is_a_panic_or_too_long(text in prop::collection::vec(any::<u8>(), 0..200), most in 0u64..50) {
            if let Ok((body, _)) = decode(&[&text], most) {
                prop_assert!(body.len() as u64 <= most);
            }
        }
    }
}
