//! How text is laid out on a terminal: columns, colours, and characters that every terminal can show.

use std::fmt::Write;

/// Widest line of a table.
pub const WIDTH: usize = 100;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// ASCII characters only.
    pub ascii: bool,
    /// Colours.
    pub colour: bool,
}

impl Style {
    /// What suits an output that is a `terminal` or not, when the user asked for `ascii` or not: colours on a terminal
    /// only, and not where `NO_COLOR` is set (to anything but nothing) or `TERM` is `dumb`; box characters unless the
    /// locale (the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set) is one without UTF-8. `variable` reads the
    /// environment.
    #[must_use]
    pub fn choose(terminal: bool, ascii: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(&set);
        // Windows has no locale variables, and its terminals show UTF-8.
        let utf8 = locale.map_or(cfg!(windows), |name| {
            let name = name.to_ascii_lowercase();
            name.contains("utf-8") || name.contains("utf8")
        });
        let plain = set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb");
        Self { ascii: ascii || !utf8, colour: terminal && !plain }
    }

    /// The sign after a ratio.
    pub(super) fn times(self) -> &'static str {
        if self.ascii { "x" } else { "×" }
    }

    /// `text` without control characters (a driver's or file's name could move the cursor) and, in ASCII style, without
    /// other characters than ASCII ones.
    pub(super) fn clean(self, text: &str) -> String {
        text.chars().map(|c| if c.is_control() || (self.ascii && !c.is_ascii()) { '?' } else { c }).collect()
    }

    pub(super) fn paint(self, text: &str, paint: Paint) -> String {
        let code = match paint {
            Paint::Plain => return text.to_string(),
            Paint::Head => "1",
            Paint::Good => "32",
            Paint::Warn => "33",
            Paint::Bad => "1;31",
        };
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Head,
    Good,
    Warn,
    Bad,
}

/// One field of a [`Grid`].
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    pub(super) fn painted(text: impl Into<String>, paint: Paint) -> Self {
        Self { text: text.into(), paint }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, paint: Paint::Plain }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_string().into()
    }
}

/// Rows of fields in columns as wide as their widest field. `-` before a heading aligns its column to the right.
pub(super) struct Grid {
    style: Style,
    right: Vec<bool>,
    lines: Vec<Line>,
}

enum Line {
    Cells(Vec<Cell>),
    /// A line across all columns.
    Across(String, Paint),
}

impl Grid {
    /// A grid with these headings.
    pub(super) fn new(style: Style, headings: &[&str]) -> Self {
        let right = headings.iter().map(|heading| heading.starts_with('-')).collect();
        let names = headings.iter().map(|heading| Cell::painted(heading.trim_start_matches('-'), Paint::Head));
        Self { style, right, lines: vec![Line::Cells(names.collect())] }
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        let clean = |cell: Cell| Cell { text: self.style.clean(&cell.text), ..cell };
        self.lines.push(Line::Cells(cells.into_iter().map(clean).collect()));
    }

    /// A line below the row before it, shortened to the width of a table.
    pub(super) fn note(&mut self, text: &str, paint: Paint) {
        let indent = "    ";
        let text = shorten(&self.style.clean(text), WIDTH - indent.len(), self.style);
        self.lines.push(Line::Across(format!("{indent}{text}"), paint));
    }

    /// Appends the grid, with a rule below its headings.
    pub(super) fn write(&self, out: &mut String) {
        let mut widths = vec![0; self.right.len()];
        for line in &self.lines {
            if let Line::Cells(cells) = line {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(cell.text.chars().count());
                }
            }
        }
        for (i, line) in self.lines.iter().enumerate() {
            match line {
                Line::Across(text, paint) => {
                    let _ = writeln!(out, "{}", self.style.paint(text, *paint));
                }
                Line::Cells(cells) => {
                    let mut text = String::new();
                    let mut gap = 0;
                    for ((cell, width), right) in cells.iter().zip(&widths).zip(&self.right) {
                        let space = width - cell.text.chars().count();
                        let before = gap + if *right { space } else { 0 };
                        // Space that nothing follows is not written.
                        if !cell.text.is_empty() {
                            text.extend(std::iter::repeat_n(' ', before));
                            text.push_str(&self.style.paint(&cell.text, cell.paint));
                            gap = 2 + if *right { 0 } else { space };
                        } else {
                            gap += width + 2;
                        }
                    }
                    let _ = writeln!(out, "{text}");
                }
            }
            if i == 0 {
                let rule = if self.style.ascii { "-" } else { "─" };
                let length = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
                let _ = writeln!(out, "{}", rule.repeat(length));
            }
        }
    }
}

/// `text` in at most `width` characters.
pub(super) fn shorten(text: &str, width: usize, style: Style) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    let mark = if style.ascii { "..." } else { "…" };
    let kept: String = text.chars().take(width.saturating_sub(mark.chars().count())).collect();
    kept.trim_end().to_string() + mark
}

/// Appends `text` broken at spaces into lines of at most [`WIDTH`] characters: the first one after `first`, the others
/// after as many spaces. A word that is longer than a line stays whole.
pub(super) fn wrap(out: &mut String, first: &str, text: &str) {
    let indent = first.chars().count();
    let mut line = first.to_string();
    let mut length = indent;
    for word in text.split(' ') {
        let more = word.chars().count();
        if length > indent && length + 1 + more > WIDTH {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent);
            length = indent;
        }
        if length > indent {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += more;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(terminal: bool, variables: &[(&str, &str)]) -> (bool, bool) {
        let style = Style::choose(terminal, false, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_string())
        });
        (style.ascii, style.colour)
    }

    #[test]
    fn the_terminal_and_the_environment_decide() {
        assert_eq!(choose(true, &[("LANG", "de_DE.UTF-8")]), (false, true));
        assert_eq!(choose(false, &[("LANG", "de_DE.utf8")]), (false, false));
        assert_eq!(choose(true, &[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]), (true, true));
        assert_eq!(choose(true, &[("LANG", "en_US.UTF-8"), ("LC_ALL", "")]), (false, true));
        assert_eq!(choose(true, &[("LANG", "C.UTF-8"), ("NO_COLOR", "1")]), (false, false));
        assert_eq!(choose(true, &[("LANG", "C.UTF-8"), ("NO_COLOR", "")]), (false, true));
        assert_eq!(choose(true, &[("LANG", "C.UTF-8"), ("TERM", "dumb")]), (false, false));
        assert!(Style::choose(true, true, |_| Some("C.UTF-8".into())).ascii, "--ascii");
    }

    #[test]
    fn columns_align_and_nothing_trails() {
        let mut grid = Grid::new(Style { ascii: true, colour: false }, &["name", "-count", "last"]);
        grid.row(vec!["a".into(), "1".into(), "x".into()]);
        grid.row(vec!["long name".into(), "".into(), "y\x1b[2J".into()]);
        grid.row(vec!["b".into(), "1000".into(), "".into()]);
        grid.note(&"n".repeat(200), Paint::Plain);
        let mut text = String::new();
        grid.write(&mut text);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "name       count  last");
        assert_eq!(lines[1], "-----------------------".get(..lines[1].len()).unwrap());
        assert_eq!(lines[2], "a              1  x");
        assert_eq!(lines[3], "long name         y?[2J");
        assert_eq!(lines[4], "b           1000");
        assert_eq!((lines[5].len(), lines[5].ends_with("...")), (WIDTH, true));
    }

    #[test]
    fn colours_do_not_count_as_width() {
        let paint = |colour| {
            let mut grid = Grid::new(Style { ascii: false, colour }, &["a", "-b"]);
            grid.row(vec![Cell::painted("ok", Paint::Good), "1".into()]);
            let mut text = String::new();
            grid.write(&mut text);
            text
        };
        let coloured = paint(true);
        assert!(coloured.contains("\x1b[32mok\x1b[0m"));
        let mut bare = String::new();
        let mut escape = false;
        for c in coloured.chars() {
            escape |= c == '\x1b';
            if !escape {
                bare.push(c);
            }
            escape &= c != 'm';
        }
        assert_eq!(bare, paint(false));
    }

    #[test]
    fn long_text_is_broken_at_spaces() {
        let mut out = String::new();
        wrap(&mut out, "- ", &"word ".repeat(50));
        assert!(out.lines().all(|line| line.len() <= WIDTH && !line.ends_with(' ')), "{out}");
        assert!(out.lines().skip(1).all(|line| line.starts_with("  word")));
        assert_eq!(out.matches("word").count(), 50);
    }
}
