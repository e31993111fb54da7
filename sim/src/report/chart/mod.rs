//! Charts over virtual time, as SVG that is part of the page.
//!
//! Colours are written as the constants in [`colour`], which the page's style sheet replaces: so a chart is readable on a light ground and
//! on a dark one. Text stays text, in the reader's own fonts.
//!
//! What happened ([`Mark`]) is a vertical line in every chart. Its label stands above the chart, in the first of
//! [`labels::ROWS`] rows where it has room; without room, only the line is drawn.

mod axis;
mod labels;

use std::ops::RangeInclusive;

use plotters::{
    chart::ChartContext,
    coord::{
        Shift,
        ranged1d::{AsRangedCoord, ValueFormatter},
        types::RangedCoordf64,
    },
    prelude::*,
};

use self::axis::{Axis, Scale};
use super::{
    Mark, Series, Unit,
    numbers::{thousands, with_unit},
};

/// Colours as they stand in the SVG. The style sheet knows them by these values.
pub(super) mod colour {
    use plotters::style::RGBColor;

    /// Letters.
    pub(crate) const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
    /// Lines of the grid and the axes.
    pub(crate) const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
    /// Vertical lines where something happened.
    pub(crate) const MARK: RGBColor = RGBColor(0x99, 0x99, 0x99);
    /// The first curve and the second.
    pub(crate) const CURVES: [RGBColor; 2] = [RGBColor(0x1F, 0x6F, 0xB4), RGBColor(0xC8, 0x55, 0x0A)];
}

/// Width of a chart in its own pixels. The page shows it about half as wide: plotters knows whole pixels only, and curves are smoother so.
const WIDTH: u32 = 960;
/// Height below the labels of marks.
const HEIGHT: u32 = 440;
/// Height of the labels of time.
const FOOT: u32 = 48;
/// Size of letters, which can be read on a phone. SVG shows them smaller by 1.24, as plotters has it.
const LETTERS: f64 = 30.0;
/// Curves in one chart at most: there are no more colours.
pub(super) const MAX_CURVES: usize = colour::CURVES.len();

/// A chart of these curves, from the start to `end_s`. `None` when none has a point.
pub(super) fn chart(curves: &[&Series], unit: Unit, end_s: f64, marks: &[Mark]) -> Option<String> {
    let points =
        || curves.iter().flat_map(|curve| &curve.points).filter(|(at_s, value)| at_s.is_finite() && value.is_finite());
    let most = points().map(|(_, value)| *value).reduce(f64::max)?;
    let last_s = points().map(|(at_s, _)| *at_s).fold(end_s, f64::max);
    let end_s = if last_s > 0.0 { last_s } else { 1.0 };
    let time = Scale::of_time(end_s);
    let one = if unit == Unit::Bytes { Scale::of_bytes(most) } else { Scale { one: 1.0, name: "" } };
    let values: Vec<f64> = points().map(|(_, value)| value / one.one).collect();
    let drawing = Drawing { curves, unit, end_s, marks, time, one };
    let mut svg = String::new();
    // Drawing into a string does not fail; if it did, the page would do without this chart.
    let drawn = match Axis::for_values(&values, unit)? {
        Axis::Linear(low, high) => drawing.draw(&mut svg, low..high, low..=high),
        Axis::Logarithmic(low, high) => drawing.draw(&mut svg, (low..high).log_scale(), low..=high),
    };
    drawn.ok().map(|()| svg)
}

struct Drawing<'a> {
    curves: &'a [&'a Series],
    unit: Unit,
    end_s: f64,
    marks: &'a [Mark],
    time: Scale,
    one: Scale,
}

type Failed<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

impl Drawing<'_> {
    fn draw<'svg, Y>(&self, svg: &'svg mut String, y: Y, shown: RangeInclusive<f64>) -> Result<(), Failed<'svg>>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let x_of = |at_s: f64| {
            (labels::LEFT as f64 + at_s / self.end_s * f64::from(WIDTH - labels::LEFT - labels::RIGHT)) as i32
        };
        let (labels, rows) = labels::placed(self.marks, self.end_s, WIDTH, x_of);
        let head = rows * labels::ROW_HEIGHT + 16;
        let root = SVGBackend::with_string(svg, (WIDTH, HEIGHT + head)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(head)
            .margin_right(labels::RIGHT)
            .x_label_area_size(FOOT)
            .y_label_area_size(labels::LEFT)
            .build_cartesian_2d(0.0..self.end_s / self.time.one, y)?;
        self.mesh(&mut chart)?;
        self.draw_marks(&root, &labels, head)?;
        for (curve, colour) in self.curves.iter().zip(colour::CURVES) {
            // What the axis does not reach, such as nothing on a logarithmic one, lies on its edge.
            let points = curve.points.iter().filter(|(at_s, value)| at_s.is_finite() && value.is_finite()).map(
                |(at_s, value)| (at_s / self.time.one, (value / self.one.one).clamp(*shown.start(), *shown.end())),
            );
            chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(4)))?;
            if points.clone().count() == 1 {
                chart.draw_series(points.map(|point| Circle::new(point, 6, colour.filled())))?;
            }
        }
        root.present()
    }

    fn mesh<'a, Y>(
        &self,
        chart: &mut ChartContext<'_, SVGBackend<'a>, Cartesian2d<RangedCoordf64, Y>>,
    ) -> Result<(), Failed<'a>>
    where
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let letters = ("sans-serif", LETTERS).into_font().color(&colour::INK);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .max_light_lines(0)
            .bold_line_style(colour::GRID.stroke_width(2))
            .axis_style(colour::GRID.stroke_width(2))
            .label_style(letters)
            .set_all_tick_mark_size(10)
            .x_labels(7)
            .y_labels(6)
            .x_label_formatter(&|at| format!("{} {}", number(*at), self.time.name))
            .y_label_formatter(&|value| self.label(*value))
            .draw()
    }

    fn label(&self, value: f64) -> String {
        match self.unit {
            Unit::Share => with_unit(value, Unit::Share),
            Unit::Milliseconds if value >= 1000.0 => format!("{} s", number(value / 1000.0)),
            Unit::Milliseconds => format!("{} ms", number(value)),
            Unit::Seconds => format!("{} s", number(value)),
            Unit::Bytes => format!("{} {}", number(value), self.one.name),
            Unit::Count => number(value),
        }
    }

    fn draw_marks<'a>(
        &self,
        root: &DrawingArea<SVGBackend<'a>, Shift>,
        labels: &[labels::Label],
        head: u32,
    ) -> Result<(), Failed<'a>> {
        let letters = ("sans-serif", LETTERS).into_font().color(&colour::INK);
        let bottom = (HEIGHT + head - FOOT) as i32;
        for label in labels {
            let top = label.row.map_or(head, |row| (row + 1) * labels::ROW_HEIGHT) as i32;
            root.draw(&PathElement::new([(label.x, top), (label.x, bottom)], colour::MARK.stroke_width(2)))?;
            if let Some(row) = label.row {
                root.draw_text(&label.text, &letters, (label.text_x, (row * labels::ROW_HEIGHT) as i32 + 4))?;
            }
        }
        Ok(())
    }
}

/// A number as short as an axis wants it. Steps are round, so few digits say all of it.
fn number(value: f64) -> String {
    let text = thousands(value, 2);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        Series { points: values.iter().enumerate().map(|(index, value)| (index as f64 * 5.0, *value)).collect() }
    }

    fn texts(svg: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(svg).unwrap();
        let texts = document
            .descendants()
            .filter(|node| node.has_tag_name((document.root_element().tag_name().namespace().unwrap(), "text")));
        texts.map(|node| node.text().unwrap_or_default().trim().to_owned()).collect()
    }

    #[test]
    fn without_points_there_is_no_chart() {
        assert_eq!(chart(&[&Series::default()], Unit::Count, 60.0, &[]), None);
        assert_eq!(chart(&[], Unit::Count, 60.0, &[]), None);
    }

    #[test]
    fn each_curve_is_one_line_in_its_own_colour() {
        let svg =
            chart(&[&series(&[1.0, 2.0, 3.0]), &series(&[2.0, 4.0, 6.0])], Unit::Milliseconds, 10.0, &[]).unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap();
        for colour in ["#1F6FB4", "#C8550A"] {
            let curve = document.descendants().find(|node| node.attribute("stroke") == Some(colour)).unwrap();
            assert_eq!(curve.attribute("points").unwrap().split_whitespace().count(), 3);
        }
    }

    #[test]
    fn the_style_sheet_knows_every_colour() {
        let style = include_str!("../page/style.css");
        for RGBColor(red, green, blue) in [colour::INK, colour::GRID, colour::MARK].into_iter().chain(colour::CURVES) {
            let written = format!("=\"#{red:02X}{green:02X}{blue:02X}\"]");
            assert!(style.contains(&written), "{written}");
        }
    }

    #[test]
    fn axes_are_labelled_with_time_and_unit() {
        let svg = chart(&[&series(&[0.2, 0.9, 1.0])], Unit::Share, 180.0, &[]).unwrap();
        let texts = texts(&svg);
        for wanted in ["0 %", "100 %", "0 min", "1 min", "3 min"] {
            assert!(texts.iter().any(|text| text == wanted), "{wanted} in {texts:?}");
        }
    }

    #[test]
    fn a_mark_is_labelled_and_its_text_cannot_be_markup() {
        let marks = [Mark { at_s: 30.0, text: "</svg><script>".into() }];
        let svg = chart(&[&series(&[1.0, 2.0])], Unit::Count, 60.0, &marks).unwrap();
        assert!(texts(&svg).iter().any(|text| text == "</svg><script>"));
        assert!(!svg.contains("<script>"));
    }

    #[test]
    fn odd_values_make_a_chart_all_the_same() {
        for values in
            [&[0.0][..], &[0.0, 0.0], &[-3.0, 2.0], &[1e300, 1.0], &[f64::NAN, 1.0], &[1e-9, 1e9], &[7.0; 200]]
        {
            for unit in [Unit::Share, Unit::Milliseconds, Unit::Seconds, Unit::Bytes, Unit::Count] {
                let svg = chart(&[&series(values)], unit, 0.0, &[Mark { at_s: 1e9, text: "late".into() }]).unwrap();
                assert!(roxmltree::Document::parse(&svg).is_ok(), "{values:?}");
            }
        }
    }
}
