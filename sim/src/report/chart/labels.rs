//! Where the labels of marks stand above a chart.

use crate::report::{Mark, numbers::shortened};

/// Pixels for the labels of the vertical axis.
pub(super) const LEFT: u32 = 128;
/// Pixels to the right of a chart, for half of the last label of time.
pub(super) const RIGHT: u32 = 44;
/// Rows of labels at most. More would be higher than the chart deserves.
pub(super) const ROWS: usize = 3;
/// Pixels of a row.
pub(super) const ROW_HEIGHT: u32 = 30;
/// Marks drawn at most; later ones are left to the page's list. More lines than these would hide the curve.
const MAX_LINES: usize = 40;
/// Characters of a label at most.
const MAX_LETTERS: usize = 26;
/// Pixels of a letter, a little more than most fonts need at this size.
const LETTER: i32 = 14;

/// A mark and its label.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    /// Pixel of the line.
    pub(super) x: i32,
    /// Pixel at which the text begins.
    pub(super) text_x: i32,
    /// The row of the text, 0 on top; `None` where there is no room.
    pub(super) row: Option<u32>,
    /// The text.
    pub(super) text: String,
}

/// Places the marks that lie within the run, and says how many rows they take.
pub(super) fn placed(marks: &[Mark], end_s: f64, width: u32, x_of: impl Fn(f64) -> i32) -> (Vec<Label>, u32) {
    let mut marks: Vec<&Mark> = marks.iter().filter(|mark| (0.0..=end_s).contains(&mark.at_s)).collect();
    marks.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
    let mut free_from = [0_i32; ROWS];
    let mut labels = Vec::new();
    for mark in marks.into_iter().take(MAX_LINES) {
        let text = shortened(&mark.text, MAX_LETTERS);
        let length = text.chars().count() as i32 * LETTER;
        let x = x_of(mark.at_s);
        let text_x = (x + 4).min(width as i32 - length).max(0);
        let row = free_from.iter().position(|free| text_x >= *free);
        if let Some(row) = row {
            free_from[row] = text_x + length + LETTER;
        }
        labels.push(Label { x, text_x, row: row.map(|row| row as u32), text });
    }
    let rows = labels.iter().filter_map(|label| label.row).max().map_or(0, |row| row + 1);
    (labels, rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marks(times: &[f64]) -> Vec<Mark> {
        times.iter().map(|at_s| Mark { at_s: *at_s, text: "partition".into() }).collect()
    }

    #[test]
    fn labels_that_would_touch_stand_in_different_rows() {
        let (labels, rows) = placed(&marks(&[10.0, 12.0, 300.0]), 400.0, 800, |at_s| at_s as i32 * 2);
        assert_eq!(labels.iter().map(|label| label.row).collect::<Vec<_>>(), [Some(0), Some(1), Some(0)]);
        assert_eq!(rows, 2);
    }

    #[test]
    fn without_marks_no_row_is_taken() {
        assert_eq!(placed(&[], 400.0, 800, |at_s| at_s as i32 * 2), (vec![], 0));
        assert_eq!(placed(&marks(&[500.0, -1.0, f64::NAN]), 400.0, 800, |at_s| at_s as i32 * 2), (vec![], 0));
    }

    proptest! {
        #[test]
        fn labels_never_touch_and_never_leave_the_chart(times in prop::collection::vec(0.0..400.0_f64, 0..60)) {
            let (labels, rows) = placed(&marks(&times), 400.0, 800, |at_s| at_s as i32 * 2);
            prop_assert!(rows as usize <= ROWS && labels.len() <= MAX_LINES);
            for row in 0..ROWS as u32 {
                let in_row: Vec<_> = labels.iter().filter(|label| label.row == Some(row)).collect();
                prop_assert!(in_row.windows(2).all(|pair| pair[0].text_x + 9 * LETTER < pair[1].text_x));
                prop_assert!(in_row.iter().all(|label| label.text_x + 9 * LETTER <= 800));
            }
        }
    }
}
