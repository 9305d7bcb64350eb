//! Curves as inline SVG, log over log: a line, a mark and an interval bar for each backend's points, names at the ends
//! of the lines. Colours come from the page's style sheet; no meaning hangs on them, since marks and dashes differ too.

use std::fmt::Write;

use super::escape;

/// Size of the drawing, and of what surrounds the plot: left, top, right, bottom.
const SIZE: [f64; 2] = [380.0, 270.0];
const FRAME: [f64; 4] = [52.0, 24.0, 50.0, 42.0];

/// How many backends look different; further ones begin anew.
pub(super) const LOOKS: usize = 6;

/// One value with its interval at one size.
#[derive(Debug, Clone)]
pub(super) struct Dot {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// What is read aloud.
    pub(super) says: String,
    /// What is shown above the plot when it is pointed at: the same in short.
    pub(super) shows: String,
}

/// One backend's curve.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    pub(super) name: String,
    /// Which of the looks.
    pub(super) look: usize,
    pub(super) dots: Vec<Dot>,
    /// Where it passes the line of the baseline: size, interval, and the size in words.
    pub(super) mark: Option<(f64, [f64; 2], String)>,
}

/// A chart.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    /// Unique on the page.
    pub(super) id: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) curves: Vec<Curve>,
    /// The baseline's name, where 1 means it.
    pub(super) one: Option<(String, usize)>,
    /// What is along the sizes.
    pub(super) x_title: String,
    pub(super) x: [f64; 2],
    pub(super) y: [f64; 2],
    /// How a tick of y is written.
    pub(super) y_label: fn(f64) -> String,
}

/// A logarithmic scale from a range of values onto a range of pixels.
#[derive(Clone, Copy)]
struct Scale {
    values: [f64; 2],
    pixels: [f64; 2],
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        let [low, high] = self.values.map(f64::ln);
        let share = if high > low { (value.ln() - low) / (high - low) } else { 0.5 };
        self.pixels[0] + share.clamp(0.0, 1.0) * (self.pixels[1] - self.pixels[0])
    }
}

/// The range of positive `values` with some room on both sides; `None` when there are none.
pub(super) fn range(values: impl Iterator<Item = f64>, room: f64) -> Option<[f64; 2]> {
    let values = values.filter(|value| *value > 0.0 && value.is_finite());
    let [low, high] = values.fold([f64::INFINITY, 0.0], |[low, high], v| [v.min(low), v.max(high)]);
    (low <= high).then_some([low / room, high * room])
}

/// Round values inside `[low, high]`, at most about eight: decades, every second or third of them where there are many,
/// or 1, 2, 5 where there are few.
pub(super) fn ticks([low, high]: [f64; 2]) -> Vec<f64> {
    let (first, last) = (low.log10().ceil() as i32, high.log10().floor() as i32);
    let decades = last - first + 1;
    let inside = |value: &f64| (low * 0.999_999..=high * 1.000_001).contains(value);
    if decades >= 3 {
        let every = (decades + 6) / 7;
        return (first..=last).filter(|power| (power - first) % every == 0).map(|power| 10f64.powi(power)).collect();
    }
    let steps: &[f64] =
        if high / low > 1.9 { &[1.0, 2.0, 5.0] } else { &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0] };
    let powers = (first - 1)..=(last + 1);
    let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    all.filter(inside).collect()
}

impl Chart {
    /// The drawing.
    pub(super) fn svg(&self) -> String {
        let [left, top, right, bottom] = [FRAME[0], FRAME[1], SIZE[0] - FRAME[2], SIZE[1] - FRAME[3]];
        let x = Scale { values: self.x, pixels: [left, right] };
        let y = Scale { values: self.y, pixels: [bottom, top] };
        let mut out = String::new();
        let id = &self.id;
        // A group, not an image: what is inside an image cannot be reached with the keyboard.
        let _ = write!(
            out,
            "<svg viewBox=\"0 0 {} {}\" role=\"group\" aria-labelledby=\"{id}-t {id}-d\">\n<title id=\"{id}-t\">{}</title>\n\
             <desc id=\"{id}-d\">{}</desc>\n",
            SIZE[0],
            SIZE[1],
            escape(&self.title),
            escape(&self.description)
        );
        out.push_str("<g aria-hidden=\"true\">\n");
        for tick in ticks(self.y) {
            let at = y.at(tick);
            let _ = write!(out, "<path class=\"grid\" d=\"M{left} {at:.1}H{right}\"/>");
            let label = escape(&(self.y_label)(tick));
            let _ =
                writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", left - 7.0, at + 4.0);
        }
        for tick in ticks(self.x) {
            let at = x.at(tick);
            let _ = write!(out, "<path class=\"axis\" d=\"M{at:.1} {bottom}v5\"/>");
            let label = escape(&crate::report::html::count(tick));
            let _ =
                writeln!(out, "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>", bottom + 18.0);
        }
        let _ = writeln!(out, "<path class=\"axis\" d=\"M{left} {bottom}H{right}\"/>");
        let title = escape(&self.x_title);
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{title}</text>",
            0.5 * (left + right),
            bottom + 35.0
        );
        self.marks(&mut out, x, y, bottom, top);
        if self.one.is_some() {
            let _ = writeln!(out, "<path class=\"one\" d=\"M{left} {:.1}H{right}\"/>", y.at(1.0));
        }
        for curve in &self.curves {
            curve.line(&mut out, x, y);
        }
        self.names(&mut out, y, right, [top, bottom]);
        out.push_str("</g>\n");
        for curve in &self.curves {
            curve.points(&mut out, x, y);
        }
        out.push_str("</svg>\n");
        out
    }

    /// Where curves pass the baseline: a band from end to end of the interval, a line at the size.
    fn marks(&self, out: &mut String, x: Scale, y: Scale, bottom: f64, top: f64) {
        for (i, curve) in self.curves.iter().filter(|curve| curve.mark.is_some()).enumerate() {
            let Some((size, [low, high], words)) = &curve.mark else { continue };
            let (at, from, to) = (x.at(*size), x.at(*low), x.at(*high));
            let width = (to - from).max(2.0);
            let look = curve.look % LOOKS;
            let _ = write!(
                out,
                "<g class=\"s{look}\"><rect class=\"band\" x=\"{from:.1}\" y=\"{top}\" width=\"{width:.1}\" \
                 height=\"{:.1}\"/><path class=\"fall\" d=\"M{at:.1} {:.1}V{bottom}\"/>",
                bottom - top,
                y.at(1.0)
            );
            // On the side with more room, one above the other.
            let middle = 0.5 * (x.pixels[0] + x.pixels[1]);
            let (dx, anchor) = if at < middle { (6.0, "start") } else { (-6.0, "end") };
            let line = bottom - 7.0 - 15.0 * i as f64;
            let _ = writeln!(
                out,
                "<text class=\"at\" x=\"{:.1}\" y=\"{line:.1}\" text-anchor=\"{anchor}\">{}</text></g>",
                at + dx,
                escape(words)
            );
        }
    }

    /// The names at the right ends, moved apart where they would overlap.
    fn names(&self, out: &mut String, y: Scale, right: f64, [top, bottom]: [f64; 2]) {
        let mut names: Vec<(f64, &str, usize)> = self
            .curves
            .iter()
            .filter_map(|curve| Some((y.at(curve.dots.last()?.y), curve.name.as_str(), curve.look)))
            .collect();
        names.extend(self.one.iter().map(|(name, look)| (y.at(1.0), name.as_str(), *look)));
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wanted: Vec<f64> = names.iter().map(|name| name.0).collect();
        for (at, (_, name, look)) in spread(&wanted, 14.0, [top, bottom]).into_iter().zip(&names) {
            let short: String = name.chars().take(7).collect();
            let _ = writeln!(
                out,
                "<text class=\"name s{}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                look % LOOKS,
                right + 9.0,
                at + 4.0,
                escape(&short)
            );
        }
    }
}

/// Ascending positions at least `gap` apart inside the range, each as near to its `wanted` one as pushing down and then
/// up leaves it.
fn spread(wanted: &[f64], gap: f64, [low, high]: [f64; 2]) -> Vec<f64> {
    let mut placed: Vec<f64> = wanted.to_vec();
    // Two that are too close move apart by the same amount.
    for _ in 0..8 {
        for i in 1..placed.len() {
            let missing = gap - (placed[i] - placed[i - 1]);
            if missing > 0.0 {
                placed[i - 1] -= 0.5 * missing;
                placed[i] += 0.5 * missing;
            }
        }
    }
    for i in 0..placed.len() {
        let least = if i == 0 { low } else { placed[i - 1] + gap };
        placed[i] = placed[i].max(least);
    }
    for i in (0..placed.len()).rev() {
        let most = if i + 1 == placed.len() { high } else { placed[i + 1] - gap };
        placed[i] = placed[i].min(most);
    }
    placed
}

impl Curve {
    fn line(&self, out: &mut String, x: Scale, y: Scale) {
        let look = self.look % LOOKS;
        let mut path = String::new();
        for (i, dot) in self.dots.iter().enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, x.at(dot.x), y.at(dot.y));
        }
        let _ = writeln!(out, "<path class=\"curve s{look} d{look}\" d=\"{path}\"/>");
    }

    fn points(&self, out: &mut String, x: Scale, y: Scale) {
        let look = self.look % LOOKS;
        for dot in &self.dots {
            let (px, py) = (x.at(dot.x), y.at(dot.y));
            let (low, high) = (y.at(dot.low), y.at(dot.high));
            let (says, shows) = (escape(&dot.says), escape(&dot.shows));
            let _ = writeln!(
                out,
                "<g class=\"point s{look}\" tabindex=\"0\" role=\"img\" aria-label=\"{says}\">\
                 <circle class=\"hit\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"9\"/>\
                 <path class=\"bar\" d=\"M{0:.1} {low:.1}h6m-3 0V{high:.1}m-3 0h6\"/>\
                 <path class=\"mark\" d=\"{1}\"/>\
                 <text class=\"read\" x=\"0\" y=\"12\" aria-hidden=\"true\">{shows}</text></g>",
                px - 3.0,
                mark(look, px, py)
            );
        }
    }
}

/// The outline of a look's mark around a point.
pub(super) fn mark(look: usize, x: f64, y: f64) -> String {
    let corners: &[[f64; 2]] = match look % LOOKS {
        0 => return format!("M{:.1} {y:.1}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z", x - 4.5),
        1 => &[[0.0, -5.5], [5.2, 4.0], [-5.2, 4.0]],
        2 => &[[-4.2, -4.2], [4.2, -4.2], [4.2, 4.2], [-4.2, 4.2]],
        3 => &[[0.0, -5.8], [5.8, 0.0], [0.0, 5.8], [-5.8, 0.0]],
        4 => &[[-5.2, -4.0], [5.2, -4.0], [0.0, 5.5]],
        _ => &[
            [-1.6, -5.0],
            [1.6, -5.0],
            [1.6, -1.6],
            [5.0, -1.6],
            [5.0, 1.6],
            [1.6, 1.6],
            [1.6, 5.0],
            [-1.6, 5.0],
            [-1.6, 1.6],
            [-5.0, 1.6],
            [-5.0, -1.6],
            [-1.6, -1.6],
        ],
    };
    let mut path = String::new();
    for (i, [dx, dy]) in corners.iter().enumerate() {
        let _ = write!(path, "{}{:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, x + dx, y + dy);
    }
    path + "Z"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chart_of_two_points() {
        let dot = |x: f64, y: f64| Dot {
            x,
            y,
            low: 0.9 * y,
            high: 1.1 * y,
            says: format!("<gpu> at {x}"),
            shows: format!("{y}x"),
        };
        let chart = Chart {
            id: "c".into(),
            title: "A & B".into(),
            description: "Two points.".into(),
            curves: vec![Curve {
                name: "<gpu>".into(),
                look: 2,
                dots: vec![dot(10.0, 0.5), dot(1000.0, 2.0)],
                mark: Some((100.0, [80.0, 125.0], "<gpu> from 100".into())),
            }],
            one: Some(("cpu".into(), 1)),
            x_title: "items".into(),
            x: [10.0, 1000.0],
            y: [0.1, 10.0],
            y_label: |y| format!("{y}x"),
        };
        insta::assert_snapshot!(chart.svg(), @r#"
        <svg viewBox="0 0 380 270" role="group" aria-labelledby="c-t c-d">
        <title id="c-t">A &amp; B</title>
        <desc id="c-d">Two points.</desc>
        <g aria-hidden="true">
        <path class="grid" d="M52 228.0H330"/><text x="45.0" y="232.0" text-anchor="end">0.1x</text>
        <path class="grid" d="M52 126.0H330"/><text x="45.0" y="130.0" text-anchor="end">1x</text>
        <path class="grid" d="M52 24.0H330"/><text x="45.0" y="28.0" text-anchor="end">10x</text>
        <path class="axis" d="M52.0 228v5"/><text x="52.0" y="246.0" text-anchor="middle">10</text>
        <path class="axis" d="M191.0 228v5"/><text x="191.0" y="246.0" text-anchor="middle">100</text>
        <path class="axis" d="M330.0 228v5"/><text x="330.0" y="246.0" text-anchor="middle">1 k</text>
        <path class="axis" d="M52 228H330"/>
        <text x="191.0" y="263.0" text-anchor="middle">items</text>
        <g class="s2"><rect class="band" x="177.5" y="24" width="26.9" height="204.0"/><path class="fall" d="M191.0 126.0V228"/><text class="at" x="185.0" y="221.0" text-anchor="end">&lt;gpu&gt; from 100</text></g>
        <path class="one" d="M52 126.0H330"/>
        <path class="curve s2 d2" d="M52.0 156.7L330.0 95.3"/>
        <text class="name s2" x="339.0" y="99.3">&lt;gpu&gt;</text>
        <text class="name s1" x="339.0" y="130.0">cpu</text>
        </g>
        <g class="point s2" tabindex="0" role="img" aria-label="&lt;gpu&gt; at 10"><circle class="hit" cx="52.0" cy="156.7" r="9"/><path class="bar" d="M49.0 161.4h6m-3 0V152.5m-3 0h6"/><path class="mark" d="M47.8 152.5L56.2 152.5L56.2 160.9L47.8 160.9Z"/><text class="read" x="0" y="12" aria-hidden="true">0.5x</text></g>
        <g class="point s2" tabindex="0" role="img" aria-label="&lt;gpu&gt; at 1000"><circle class="hit" cx="330.0" cy="95.3" r="9"/><path class="bar" d="M327.0 100.0h6m-3 0V91.1m-3 0h6"/><path class="mark" d="M325.8 91.1L334.2 91.1L334.2 99.5L325.8 99.5Z"/><text class="read" x="0" y="12" aria-hidden="true">2x</text></g>
        </svg>
        "#);
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks([1e3, 1e7]), [1e3, 1e4, 1e5, 1e6, 1e7]);
        assert_eq!(ticks([0.3, 4.0]), [0.5, 1.0, 2.0]);
        assert_eq!(ticks([0.9, 1.1]), [1.0]);
        assert_eq!(ticks([1.0, 1e20]).len(), 7);
    }

    proptest! {
        #[test]
        fn every_range_has_ticks_inside(low in -12.0f64..18.0, span in 0.05f64..24.0) {
            let range = [10f64.powf(low), 10f64.powf(low + span)];
            let ticks = ticks(range);
            prop_assert!(ticks.len() <= 10 && (span < 0.31 || !ticks.is_empty()), "{:?}", ticks);
            prop_assert!(ticks.iter().all(|t| (range[0] * 0.99..=range[1] * 1.01).contains(t)));
        }

        #[test]
        fn names_never_overlap(mut wanted in proptest::collection::vec(0.0f64..200.0, 0..8)) {
            wanted.sort_by(f64::total_cmp);
            let placed = spread(&wanted, 14.0, [0.0, 200.0]);
            prop_assert!(placed.windows(2).all(|pair| pair[1] - pair[0] > 13.99), "{:?}", placed);
            prop_assert!(placed.iter().all(|y| (-0.01..=200.01).contains(y)), "{:?}", placed);
        }
    }
}
