//! QR codes on a terminal.

use std::io::{self, IsTerminal};

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use super::Failure;

/// White on black, whatever colours the terminal has: the code is drawn in what is light.
const WHITE_ON_BLACK: &str = "\x1b[38;5;231;48;5;16m";

const AS_BEFORE: &str = "\x1b[0m";

/// A QR code of some digits, two modules on each other in one character. The light ones are drawn, so that it is right on dark
/// terminals, and with colours on all others.
///
/// # Errors
/// [`Failure::Failed`] for more than fits in a code.
pub fn draw(digits: &str) -> Result<String, Failure> {
    let code = QrCode::with_error_correction_level(digits, EcLevel::M).map_err(Failure::failed)?;
    let drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Ok(if io::stdout().is_terminal() { coloured(&drawn) } else { drawn })
}

fn coloured(drawn: &str) -> String {
    drawn.lines().map(|line| format!("{WHITE_ON_BLACK}{line}{AS_BEFORE}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_safety_number_fits_any_terminal_and_has_a_light_rim() {
        let code = QrCode::with_error_correction_level("7".repeat(60), EcLevel::M).unwrap();
        let side = code.width() + 8;
        let drawn = draw(&"7".repeat(60)).unwrap();
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines.len() == side.div_ceil(2) && lines.len() <= 20, "{drawn}");
        assert!(lines.iter().all(|line| line.chars().count() == side), "{drawn}");
        assert!(lines[..2].iter().all(|line| line.chars().all(|c| c == '█')), "{drawn}");
        let inner = &lines[..lines.len() - 1];
        assert!(inner.iter().all(|line| line.starts_with("████") && line.ends_with("████")), "{drawn}");
    }

    #[test]
    fn the_modules_are_those_of_the_code() {
        let code = QrCode::with_error_correction_level("12345", EcLevel::M).unwrap();
        let drawn = draw("12345").unwrap();
        let lines: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        for (x, y) in (0..code.width()).flat_map(|x| (0..code.width()).map(move |y| (x, y))) {
            let (column, row) = (x + 4, y + 4);
            let light = match (lines[row / 2][column], row % 2) {
                ('█', _) | ('▀', 0) | ('▄', 1) => true,
                (' ', _) | ('▀', 1) | ('▄', 0) => false,
                other => panic!("{other:?}"),
            };
            assert_eq!(light, code[(x, y)] == qrcode::Color::Light, "{x} {y}");
        }
    }

    #[test]
    fn colours_stand_on_each_line_and_end_there() {
        let text = coloured("ab\ncd");
        assert!(text.lines().all(|line| line.starts_with(WHITE_ON_BLACK) && line.ends_with(AS_BEFORE)));
    }
}
