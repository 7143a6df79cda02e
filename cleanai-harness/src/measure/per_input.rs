//! What criteria say of single inputs, with the inputs' names.

use crate::criteria::PerInput;
use crate::importance::Thumbnail;

/// How many inputs are named at each end.
const NAMED: usize = 10;

/// The inputs at both ends of what a criterion says of single inputs.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ranked {
    /// What they are ranked by: the name of the criterion's first column, such as `dsa`.
    pub by: String,
    /// Those with the largest numbers, the largest first, the earlier of equals first; at most ten.
    pub most: Vec<RankedInput>,
    /// Those with the smallest, the smallest first.
    pub least: Vec<RankedInput>,
}

/// An input at one end.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RankedInput {
    /// Its name, as [`crate::data::DataSet::names`] gives names.
    pub name: String,
    /// Its number; `None` where it is infinite.
    pub value: Option<f64>,
    /// What it looks like, where inputs are pictures; of those that noise made of others none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Thumbnail>,
}

/// What is known of a test input.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InputFacts {
    /// Its name, as [`crate::data::DataSet::names`] gives names.
    pub name: String,
    /// Its label, where the data has labels.
    pub label: Option<i64>,
    /// The class of its largest logit, the lowest of equals; where the model has logits.
    pub predicted: Option<i64>,
}

impl Ranked {
    /// The inputs at both ends, those left out that have no number; nothing where none has.
    ///
    /// ```
    /// use cleanai_harness::criteria::PerInput;
    /// use cleanai_harness::measure::Ranked;
    ///
    /// let scores = PerInput { inputs: vec![0, 1, 5], columns: vec![("dsa".into(), vec![0.5, 2.0, f64::INFINITY])] };
    /// let ranked = Ranked::of(&scores, |input| format!("{input}.png")).unwrap();
    /// assert_eq!((&ranked.by[..], &ranked.most[0].name[..], ranked.most[0].value), ("dsa", "5.png", None));
    /// assert_eq!((&ranked.least[0].name[..], ranked.least[0].value), ("0.png", Some(0.5)));
    /// ```
    pub fn of(scores: &PerInput, name: impl Fn(usize) -> String) -> Option<Self> {
        let by = scores.columns.first()?.0.clone();
        let named = |(input, number): (u64, f64)| RankedInput {
            name: name(input as usize),
            value: Some(number).filter(|number| number.is_finite()),
            picture: None,
        };
        let [most, least] = ends(scores)?.map(|end| end.into_iter().map(named).collect());
        Some(Self { by, most, least })
    }
}

/// The inputs with the largest and the smallest numbers of the first column, as [`Ranked`] has them; nothing where none has a number.
pub(super) fn ends(scores: &PerInput) -> Option<[Vec<(u64, f64)>; 2]> {
    let (_, numbers) = scores.columns.first()?;
    let mut ranked: Vec<(u64, f64)> = scores.inputs.iter().copied().zip(numbers.iter().copied()).collect();
    ranked.retain(|(_, number)| !number.is_nan());
    if ranked.is_empty() {
        return None;
    }
    ranked.sort_by(|one, other| one.1.total_cmp(&other.1).then(one.0.cmp(&other.0)));
    let least = ranked.iter().copied().take(NAMED).collect();
    ranked.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    ranked.truncate(NAMED);
    Some([ranked, least])
}
