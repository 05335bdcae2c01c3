//! A plot's canvas: axes, legend, and the marks that tell groups apart without colour.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fmt::Write as _;
use std::ops::Range;

use super::title::in_lines;
use crate::report::error::ReportError;
use quick_xml::escape::escape;

/// Colours of the plots on a dark ground, in place of each colour that they are drawn in.
pub(in crate::report) const STYLE: &str = include_str!("plots.css");

/// Units of the drawing for each unit of the view: the library places whole units, and curves want finer steps.
const FINE: i32 = 2;
/// Width of a plot in the view's units.
const WIDTH: i32 = 480;
/// Letters' height in the view's units: legible also where a phone shows the plot at three quarters.
const LETTERS: f64 = 13.5;

pub(super) const INK: RGBColor = RGBColor(0x1c, 0x20, 0x24);
pub(super) const QUIET: RGBColor = RGBColor(0x5b, 0x63, 0x6c);
const GRID: RGBColor = RGBColor(0xd9, 0xdd, 0xe2);
const AXIS: RGBColor = RGBColor(0x8a, 0x92, 0x9b);

pub(super) type Failure = DrawingAreaErrorKind<std::io::Error>;
pub(super) type Chart<'a, 'b> =
    ChartContext<'b, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A finished plot.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Plot {
    /// File name without its ending; also names the plot within a page.
    pub(in crate::report) name: String,
    /// What it shows, in a few words.
    pub(in crate::report) title: String,
    /// What can be seen, for those who cannot see it.
    pub(in crate::report) description: String,
    height: i32,
    marks: String,
}

impl Plot {
    /// The plot as an element of a page, whose style it follows.
    pub(in crate::report) fn inline(&self) -> String {
        self.element(" class=\"plot\"", "")
    }

    /// The plot as a file of its own.
    pub(in crate::report) fn file(&self) -> String {
        let size = format!(
            " width=\"{WIDTH}\" height=\"{}\" class=\"plot\"",
            self.height
        );
        let style = format!("<style>\n{STYLE}</style>\n");
        self.element(&size, &style)
    }

    /// Whether it is a list rather than a picture, and best takes a page's whole width.
    pub(in crate::report) fn is_tall(&self) -> bool {
        self.height > WIDTH
    }

    fn element(&self, attributes: &str, style: &str) -> String {
        let (title, description) = (
            escape(self.title.as_str()),
            escape(self.description.as_str()),
        );
        let name = &self.name;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\"{attributes} viewBox=\"0 0 {} {}\" role=\"img\" \
             aria-labelledby=\"{name}-title {name}-desc\">\n<title id=\"{name}-title\">{title}</title>\n\
             <desc id=\"{name}-desc\">{description}</desc>\n{style}{}</svg>\n",
            FINE * WIDTH,
            FINE * self.height,
            self.marks,
        )
    }
}

/// How a series looks: colour, mark and dashes say the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LineStyle {
    pub(super) color: RGBColor,
    mark: Mark,
    dashes: &'static str,
    width: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mark {
    Disc,
    Triangle,
    Cross,
    None,
}

/// What a reader compares everything with: chance.
pub(super) const CHANCE: LineStyle = LineStyle {
    color: QUIET,
    mark: Mark::None,
    dashes: "4 8",
    width: 1,
};

/// What was reckoned and not done.
pub(super) const RECKONED: LineStyle = LineStyle {
    color: RGBColor(0x7a, 0x3e, 0x9d),
    mark: Mark::None,
    dashes: "2 6",
    width: 2,
};

/// No two have one colour: it is what [`dashed`] knows them by.
const LINE_STYLES: [LineStyle; 3] = [
    LineStyle {
        color: RGBColor(0xc8, 0x4b, 0x00),
        mark: Mark::Disc,
        dashes: "",
        width: 2,
    },
    LineStyle {
        color: RGBColor(0x00, 0x66, 0xb0),
        mark: Mark::Triangle,
        dashes: "14 7",
        width: 2,
    },
    LineStyle {
        color: RGBColor(0x50, 0x70, 0x50),
        mark: Mark::Cross,
        dashes: "5 5",
        width: 2,
    },
];

/// The style of a group, or of the `place`-th series.
pub(super) fn line_style(group: &str, place: usize) -> LineStyle {
    let place = match group {
        "held_out" => 0,
        "useful" => 1,
        "control" => 2,
        _ => place,
    };
    LINE_STYLES[place % LINE_STYLES.len()]
}

/// Everything around the marks.
pub(super) struct Frame {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) x: Range<f64>,
    pub(super) y: Range<f64>,
    pub(super) x_text: fn(f64) -> String,
    pub(super) y_text: fn(f64) -> String,
    /// Labels of the axes, about.
    pub(super) ticks: (usize, usize),
    pub(super) legend: Vec<(String, LineStyle)>,
    /// In the view's units.
    pub(super) height: i32,
}

/// A range with room at both ends; never empty.
pub(super) fn roomy(values: impl Iterator<Item = f64>, room: f64) -> Option<Range<f64>> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|v| v.is_finite()) {
        (low, high) = (low.min(value), high.max(value));
    }
    let size = (high - low).max(1e-3 * high.abs()).max(1e-9);
    (low <= high).then_some(low - room * size..high + room * size)
}

fn letters(bold: bool, color: RGBColor) -> TextStyle<'static> {
    // The library writes 1 / 1.24 of the size that it is asked for.
    let size = LETTERS * f64::from(FINE) * 1.24;
    let font = ("sans-serif", size).into_font();
    let font = if bold {
        font.style(FontStyle::Bold)
    } else {
        font
    };
    font.color(&color)
}

fn failed(failure: &Failure) -> ReportError {
    ReportError::Plot {
        message: failure.to_string(),
    }
}

/// Draws a frame and, within it, what `paint` does.
pub(super) fn draw(
    frame: Frame,
    paint: impl FnOnce(&mut Chart<'_, '_>) -> Result<(), Failure>,
) -> Result<Plot, ReportError> {
    let mut text = String::new();
    painted(&mut text, &frame, paint).map_err(|failure| failed(&failure))?;
    // The element around the marks is ours: it carries the title and the description.
    let marks = text.split_once('\n').map_or("", |(_, rest)| rest);
    let marks = marks.trim_end().trim_end_matches("</svg>");
    Ok(Plot {
        name: frame.name,
        title: frame.title,
        description: frame.description,
        height: frame.height,
        marks: dashed(marks, &frame.legend),
    })
}

fn painted(
    text: &mut String,
    frame: &Frame,
    paint: impl FnOnce(&mut Chart<'_, '_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    #[allow(clippy::cast_sign_loss)]
    let size = ((FINE * WIDTH) as u32, (FINE * frame.height) as u32);
    let area = SVGBackend::with_string(text, size).into_drawing_area();
    let head = headed(&area, frame)?;
    let has_y = !frame.y_label.is_empty();
    let mut chart = ChartBuilder::on(&area)
        // Half a label of the axis stands above its end.
        .margin_top(head + 12 * FINE)
        .margin_right(24 * FINE)
        .margin_bottom(2 * FINE)
        .margin_left(if has_y { 2 } else { 12 } * FINE)
        .x_label_area_size(42 * FINE)
        .y_label_area_size(if has_y { 66 } else { 0 } * FINE)
        .build_cartesian_2d(frame.x.clone(), frame.y.clone())?;
    let mut mesh = chart.configure_mesh();
    mesh.max_light_lines(0)
        .bold_line_style(GRID.stroke_width(1))
        .axis_style(AXIS.stroke_width(1))
        .label_style(letters(false, QUIET))
        .axis_desc_style(letters(false, INK))
        .x_desc(frame.x_label.as_str())
        .x_labels(frame.ticks.0)
        .y_labels(frame.ticks.1);
    let (x_text, y_text) = (frame.x_text, frame.y_text);
    let (x_of, y_of) = (move |x: &f64| x_text(*x), move |y: &f64| y_text(*y));
    mesh.x_label_formatter(&x_of).y_label_formatter(&y_of);
    if has_y {
        mesh.y_desc(frame.y_label.as_str());
    } else {
        mesh.disable_y_mesh().disable_y_axis();
    }
    mesh.draw()?;
    paint(&mut chart)?;
    drop(chart);
    area.present()
}

/// Title and legend; gives the height that they take.
fn headed(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    frame: &Frame,
) -> Result<i32, Failure> {
    let line = 19 * FINE;
    let mut at = (12 * FINE, 6 * FINE);
    for words in in_lines(&frame.title) {
        area.draw(&Text::new(words, at, letters(true, INK)))?;
        at.1 += line;
    }
    for (label, style) in &frame.legend {
        let width = 34 * FINE + advance(label);
        if at.0 > 12 * FINE && at.0 + width > (WIDTH - 6) * FINE {
            at = (12 * FINE, at.1 + line);
        }
        let middle = at.1 + 6 * FINE;
        let ends = vec![(at.0, middle), (at.0 + 24 * FINE, middle)];
        area.draw(&PathElement::new(
            ends,
            style.color.stroke_width(style.stroke()),
        ))?;
        style.mark_at(area, (at.0 + 12 * FINE, middle))?;
        area.draw(&Text::new(
            label.clone(),
            (at.0 + 30 * FINE, at.1),
            letters(false, INK),
        ))?;
        at.0 += width;
    }
    let lines = if frame.legend.is_empty() { 0 } else { line };
    Ok(at.1 - line + lines + 6 * FINE)
}

/// About how wide a text is: the real width is known to whoever shows it.
fn advance(text: &str) -> i32 {
    let letters = i32::try_from(text.chars().count()).unwrap_or(0);
    letters * 15 * FINE / 2 + 6 * FINE
}

/// Gives the lines of each style its dashes, which the library has no word for.
fn dashed(marks: &str, legend: &[(String, LineStyle)]) -> String {
    let mut marks = marks.to_owned();
    for (_, style) in legend.iter().filter(|(_, style)| !style.dashes.is_empty()) {
        let RGBColor(r, g, b) = style.color;
        let mut stroke = String::new();
        let _ = write!(stroke, "stroke=\"#{r:02X}{g:02X}{b:02X}\"");
        let plain = format!("<polyline fill=\"none\" opacity=\"1\" {stroke}");
        let with = format!("{plain} stroke-dasharray=\"{}\"", style.dashes);
        marks = marks.replace(&plain, &with);
    }
    marks
}

impl LineStyle {
    fn stroke(self) -> u32 {
        self.width * FINE.unsigned_abs()
    }

    fn mark_at(
        self,
        area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
        at: (i32, i32),
    ) -> Result<(), Failure> {
        let (size, style) = (4 * FINE, self.color);
        match self.mark {
            Mark::Disc => area.draw(&Circle::new(at, size, style.filled())),
            Mark::Triangle => area.draw(&TriangleMarker::new(at, size + FINE, style.filled())),
            Mark::Cross => area.draw(&Cross::new(at, size, style.stroke_width(self.stroke()))),
            Mark::None => Ok(()),
        }
    }

    /// A line through points, with its mark on some of them.
    pub(super) fn line(
        self,
        chart: &mut Chart<'_, '_>,
        points: &[(f64, f64)],
        marks: usize,
    ) -> Result<(), Failure> {
        let style = self.color.stroke_width(self.stroke());
        chart.draw_series([PathElement::new(points.to_vec(), style)])?;
        let every = points.len().div_ceil(marks.max(1)).max(1);
        let last = points.len().saturating_sub(1);
        let marked = points.iter().enumerate();
        for (_, point) in marked.filter(|(i, _)| (last - i).is_multiple_of(every) && marks > 0) {
            self.dot(chart, *point)?;
        }
        Ok(())
    }

    /// The mark at a point.
    pub(super) fn dot(self, chart: &mut Chart<'_, '_>, at: (f64, f64)) -> Result<(), Failure> {
        let (size, style) = (4 * FINE, self.color);
        match self.mark {
            Mark::Disc => chart
                .draw_series([Circle::new(at, size, style.filled())])
                .map(drop),
            Mark::Triangle => chart
                .draw_series([TriangleMarker::new(at, size + FINE, style.filled())])
                .map(drop),
            Mark::Cross => chart
                .draw_series([Cross::new(at, size, style.stroke_width(self.stroke()))])
                .map(drop),
            Mark::None => Ok(()),
        }
    }

    /// The area between two lines over the same places.
    pub(super) fn band(
        self,
        chart: &mut Chart<'_, '_>,
        outline: Vec<(f64, f64)>,
        strength: f64,
    ) -> Result<(), Failure> {
        let fill = self.color.mix(strength).filled();
        chart.draw_series([Polygon::new(outline, fill)]).map(drop)
    }
}

/// A text within the plot, its left end `up` above a place.
pub(super) fn note(
    chart: &mut Chart<'_, '_>,
    text: &str,
    at: (f64, f64),
    up: i32,
) -> Result<(), Failure> {
    let style = letters(false, INK).pos(Pos::new(HPos::Left, VPos::Bottom));
    let text = Text::new(text.to_owned(), (0, -up * FINE), style);
    chart.draw_series([EmptyElement::at(at) + text]).map(drop)
}
