//! Questions to the user, where there is one.

use std::fmt::Display;
use std::io::{BufRead, IsTerminal, stderr, stdin};

use anstyle::Style;

/// Whether somebody is there to answer.
pub fn is_possible() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Asks which of several is meant and returns its position; the first if the answer is empty or there is none.
pub fn which(question: &str, choices: &[impl Display]) -> usize {
    let bold = Style::new().bold();
    anstream::eprintln!("\n{bold}{question}{bold:#}");
    for (number, choice) in choices.iter().enumerate() {
        anstream::eprintln!("  {}  {choice}", number + 1);
    }
    answer(&mut stdin().lock(), choices.len(), |text| anstream::eprint!("{text}"))
}

fn answer(input: &mut impl BufRead, choices: usize, prompt: impl Fn(&str)) -> usize {
    loop {
        prompt(&format!("1 to {choices} [1]: "));
        let mut line = String::new();
        match input.read_line(&mut line) {
            Ok(0) | Err(_) => return 0,
            Ok(_) if line.trim().is_empty() => return 0,
            Ok(_) => {}
        }
        if let Some(position) = line.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1))
            && position < choices
        {
            return position;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_offered_is_taken() {
        for (text, expected) in [("2\n", 1), ("\n", 0), ("", 0), ("0\n4\nx\n 3 \n", 2), ("9\n", 0)] {
            assert_eq!(answer(&mut text.as_bytes(), 3, |_| {}), expected, "{text:?}");
        }
    }
}
