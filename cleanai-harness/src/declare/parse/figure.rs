//! What stands behind the point, or alone behind another requirement.

use super::super::figure::{Aggregate, Figure};
use super::super::nearest::{listed, nearest};
use super::super::spec::CriterionSpec;
use super::{Parser, SyntaxError, is_word};

/// Figures that every criterion may have, whatever else it reports.
const OF_ALL: [&str; 4] = ["covered", "uncovered", "per_class", "per_layer"];

/// A bare selector takes dots and parentheses for its own; what looks like a figure is told rather than looked for among layers.
pub(super) fn not_of_a_figure(selector: &str, start: usize) -> Result<(), SyntaxError> {
    let Some((layers, figure)) = selector.rsplit_once('.') else { return Ok(()) };
    let word = figure.split('(').next().unwrap_or(figure);
    let is_figure = OF_ALL.contains(&word) && (word != figure || !word.starts_with("per"));
    if !is_figure || layers.is_empty() {
        return Ok(());
    }
    let span = start + layers.len()..start + selector.len();
    Err(SyntaxError::new(format!("`.{figure}` stands within the layers"), span)
        .with_help(format!("quote the layers, `@{layers:?}.{figure}`; a layer of this name is `@{selector:?}`")))
}

impl Parser<'_> {
    /// The figure behind a point.
    pub(super) fn figure(&mut self) -> Result<Figure, SyntaxError> {
        self.space();
        let start = self.at;
        let Some(word) = self.word() else { return Err(self.expected("the name of a figure after `.`")) };
        let figure: fn(Aggregate) -> Figure = match word {
            "covered" => return Ok(Figure::Covered),
            "uncovered" => return Ok(Figure::Uncovered),
            "per_class" => Figure::PerClass,
            "per_layer" => Figure::PerLayer,
            word => return Ok(Figure::Detail(word.to_owned())),
        };
        let help = format!("write `{word}(min)`, `{word}(max)` or `{word}(mean)`");
        let word_span = start..self.at;
        self.space();
        if !self.eat("(") {
            let what = format!("`{word}` does not say what of its values is bounded");
            return Err(SyntaxError::new(what, word_span).with_help(help));
        }
        self.space();
        let inside = self.next_span();
        let named = self.word().unwrap_or_default();
        let Some(aggregate) = Aggregate::ALL.into_iter().find(|it| it.as_str() == named) else {
            self.at = inside.start;
            let names = Aggregate::ALL.map(Aggregate::as_str);
            let error = self.expected(&format!("one of {}", listed(names)));
            return Err(error.with_help(match nearest(named, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => help,
            }));
        };
        self.space();
        if !self.eat(")") {
            return Err(self.expected("`)`").with_help(help));
        }
        Ok(figure(aggregate))
    }

    /// A figure that every criterion may have, at the start: it is one of the criterion before, which must be there.
    pub(super) fn lone_figure(
        &mut self,
        previous: Option<&CriterionSpec>,
    ) -> Result<Option<(CriterionSpec, Figure)>, SyntaxError> {
        self.space();
        let rest = self.rest();
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        if !OF_ALL.contains(&word) || rest[word.len()..].starts_with(':') {
            return Ok(None);
        }
        let start = self.at;
        let figure = self.figure()?;
        match previous {
            Some(criterion) => Ok(Some((criterion.clone(), figure))),
            None => Err(SyntaxError::new(
                format!("`{figure}` is a figure, and no criterion stands before it"),
                start..self.at,
            )
            .with_help(format!("name the criterion, as in `nc.{figure}`"))),
        }
    }
}
