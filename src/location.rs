//! Where an input lies: a path or a URL, and how either may be printed.

use std::path::Path;

/// Whether `text` is a URL and not a path: a scheme of two letters or more (`C:` is a drive) before `://`.
#[must_use]
pub fn is_url(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once("://") else { return false };
    scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Whether `url` names an object and not a file of a web server.
#[must_use]
pub fn is_object(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    ["s3", "s3a", "gs", "az", "azure", "abfs", "abfss"].contains(&scheme.as_str())
}

/// `path` as a URL, if it is one.
#[must_use]
pub fn url_of(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| is_url(text))
}

/// The path of a URL, without query and fragment; `text` itself when it is no URL.
#[must_use]
pub fn path_of(text: &str) -> &str {
    let end = if is_url(text) { text.find(['?', '#']).unwrap_or(text.len()) } else { text.len() };
    &text[..end]
}

/// `text` as it may be printed: no URL in it has its user and password, nor its query, which signs requests in many stores,
/// nor its fragment. What holds no URL stays as it is.
#[must_use]
pub fn shown(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (scheme, after) = rest.split_at(at + 3);
        out.push_str(scheme);
        let authority = after.find(|c| ends(c) || "/?#".contains(c)).unwrap_or(after.len());
        // `b://` within an authority begins another URL.
        let nested = after[..authority].ends_with(':') && after[authority..].starts_with("//");
        let (authority, path) = after.split_at(authority - usize::from(nested));
        out.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        // Up to the query, or to where another URL may begin.
        let query = path.find(['?', '#']).unwrap_or(path.len());
        let end = path.find(ends).unwrap_or(path.len());
        let next = path.find("://").unwrap_or(path.len());
        if query < end && query < next {
            out.push_str(&path[..query]);
            out.push_str(if path[query..].starts_with('?') { "?..." } else { "" });
            rest = &path[end..];
        } else {
            let upto = end.min(next);
            out.push_str(&path[..upto]);
            rest = &path[upto..];
        }
    }
    out.push_str(rest);
    out
}

/// [`shown`] of a path.
#[must_use]
pub fn shown_path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_has_a_scheme_and_a_drive_has_not() {
        for url in ["http://a/b", "https://a", "s3://bucket/key", "ftp://x", "file:///x", "HTTP://a"] {
            assert!(is_url(url), "{url}");
        }
        for path in ["a/b", "/a/b.vtu", "C:\\a", "C://a", "://a", "1a://b", "http:/a", "a b://c", ""] {
            assert!(!is_url(path), "{path}");
        }
        assert_eq!(path_of("http://a/b.vtu.gz?x=/c.csv"), "http://a/b.vtu.gz");
        assert_eq!(path_of("a?b"), "a?b");
    }

    #[test]
    fn nothing_secret_is_shown() {
        for (url, want) in [
            ("http://a/b.vtu", "http://a/b.vtu"),
            ("https://me:secret@host:8080/x/y.mtx?sig=abc#top", "https://host:8080/x/y.mtx?..."),
            ("https://me:se@cret@host/x", "https://host/x"),
            ("https://host?token=1", "https://host?..."),
            ("https://host/x#part", "https://host/x"),
            ("s3://bucket/key with space", "s3://bucket/key with space"),
            ("dir/me:you@file?x", "dir/me:you@file?x"),
            ("--mesh=https://me:pw@a/b", "--mesh=https://a/b"),
            ("x=http://a/b,y=http://me:pw@c/d", "x=http://a/b,y=http://c/d"),
            ("see 'http://me:pw@a/b?s=1' or http://you:pw@c", "see 'http://a/b?...' or http://c"),
            ("a://b://c@d", "a://b://d"),
        ] {
            assert_eq!(shown(url), want);
        }
    }

    proptest! {
        #[test]
        fn a_password_never_survives(before in "[a-z =,]{0,6}", path in "[a-z/,@:?#]{0,12}") {
            let text = format!("{before}http://me:SECRET@host/{path}");
            prop_assert!(!shown(&text).contains("SECRET"));
        }
    }
}
