//! Scales, axes and text for charts.

use std::fmt::Write;

/// Escapes text for HTML and SVG, attributes included.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// From values to pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from_px: f64,
    to_px: f64,
    is_log: bool,
}

impl Scale {
    /// A linear scale. An empty domain is widened, so that pixels stay finite.
    pub(super) fn linear(low: f64, high: f64, from_px: f64, to_px: f64) -> Scale {
        let high = if high > low { high } else { low + 1.0 };
        Scale { low, high, from_px, to_px, is_log: false }
    }

    /// A logarithmic scale over positive values, widened on both sides to a decade when it spans less.
    pub(super) fn log(low: f64, high: f64, from_px: f64, to_px: f64) -> Scale {
        let (low, high) = (low.max(1e-12), high.max(low).max(1e-12));
        let widen = (10.0 * low / high).max(1.0).sqrt();
        let (low, high) = (low / widen, high * widen);
        Scale { low, high, from_px, to_px, is_log: true }
    }

    /// The upper end of the values.
    pub(super) fn high(&self) -> f64 {
        self.high
    }

    /// The pixel of a value, kept inside the scale.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let share = match self.is_log {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        self.from_px + share * (self.to_px - self.from_px)
    }

    /// Round values to label: about `count` on a linear scale; on a logarithmic one the decades, or 1-2-5 steps when
    /// there are few.
    pub(super) fn ticks(&self, count: usize) -> Vec<f64> {
        if self.is_log {
            return self.log_ticks();
        }
        let step = nice_step((self.high - self.low) / count.max(1) as f64);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|index| index as f64 * step).collect()
    }

    fn log_ticks(&self) -> Vec<f64> {
        let decades = (self.low.log10().floor() as i32)..=(self.high.log10().ceil() as i32);
        let steps: &[f64] = if (self.high / self.low).log10() < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let all = decades.flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
        all.filter(|value| (self.low * 0.999..=self.high * 1.001).contains(value)).collect()
    }
}

fn nice_step(rough: f64) -> f64 {
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|step| step * magnitude >= rough * 0.999);
    step.unwrap_or(10.0) * magnitude
}

/// The next round value at or above.
pub(super) fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let magnitude = 10f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().find(|step| step * magnitude >= value * 0.999).unwrap_or(10.0) * magnitude
}

/// An SVG picture under construction. Coordinates are pixels of its view box.
#[derive(Debug)]
pub(super) struct Svg {
    body: String,
    width_px: f64,
    height_px: f64,
    label: String,
}

/// Where a text is anchored.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// A picture with a description for those who do not see it.
    pub(super) fn new(width_px: f64, height_px: f64, label: &str) -> Svg {
        Svg { body: String::new(), width_px, height_px, label: escape(label) }
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>"
        );
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.body,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>"
        );
    }

    /// A rectangle with a tooltip (none when empty).
    pub(super) fn rect(&mut self, corner: (f64, f64), size: (f64, f64), class: &str, tooltip: &str) {
        let ((x, y), (width, height)) = (corner, size);
        let shape = format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"{class}\"");
        let _ = match tooltip.is_empty() {
            true => writeln!(self.body, "<rect {shape}/>"),
            false => writeln!(self.body, "<rect {shape}><title>{}</title></rect>", escape(tooltip)),
        };
    }

    /// A line through points.
    pub(super) fn polyline(&mut self, points: impl IntoIterator<Item = (f64, f64)>, class: &str) {
        let points: Vec<String> = points.into_iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(self.body, "<polyline points=\"{}\" class=\"{class}\"/>", points.join(" "));
    }

    /// A small filled circle with a tooltip.
    pub(super) fn dot(&mut self, x: f64, y: f64, class: &str, tooltip: &str) {
        let tooltip = escape(tooltip);
        let _ = writeln!(
            self.body,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" class=\"{class}\"><title>{tooltip}</title></circle>"
        );
    }

    /// Any path.
    pub(super) fn path(&mut self, commands: &str, class: &str) {
        let _ = writeln!(self.body, "<path d=\"{commands}\" class=\"{class}\"/>");
    }

    /// The finished picture.
    pub(super) fn finish(self) -> String {
        let Svg { body, width_px, height_px, label } = self;
        format!(
            "<svg viewBox=\"0 0 {width_px:.0} {height_px:.0}\" role=\"img\" aria-label=\"{label}\" \
             xmlns=\"http://www.w3.org/2000/svg\">\n{body}</svg>\n"
        )
    }
}
