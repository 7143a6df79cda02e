//! What criteria say of single inputs, as a table: CSV or JSON, a row for each input.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::criteria::PerInput;
use crate::measure::InputFacts;
use crate::{Error, ErrorKind, Result};

/// The columns that every table has.
const OWN: [&str; 4] = ["input", "name", "label", "predicted"];

/// The table: each input's index, name, label and predicted class, then a column for each that criteria have.
///
/// A column is named as the criterion names it, and `CRITERION.COLUMN` where two criteria name one alike.
///
/// ```
/// use cleanai_harness::criteria::PerInput;
/// use cleanai_harness::measure::InputFacts;
/// use cleanai_harness::report::inputs::Table;
///
/// let facts = ["a.png", "b.png"].map(|name| InputFacts { name: name.to_owned(), label: Some(7), predicted: Some(1) });
/// let scores = PerInput { inputs: vec![0, 1], columns: vec![("dsa".into(), vec![0.5, f64::INFINITY])] };
/// let table = Table::new(&facts, [("dsa(layers=\"fc1\")", &scores)]);
/// assert_eq!(String::from_utf8_lossy(&table.csv()?), "input,name,label,predicted,dsa\n0,a.png,7,1,0.5\n1,b.png,7,1,inf\n");
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub struct Table<'a> {
    facts: &'a [InputFacts],
    columns: Vec<(String, HashMap<u64, f64>)>,
}

impl<'a> Table<'a> {
    /// Of inputs in order, and what criteria, by their canonical texts, say of them.
    pub fn new<'c>(facts: &'a [InputFacts], criteria: impl IntoIterator<Item = (&'c str, &'c PerInput)>) -> Self {
        let criteria: Vec<_> = criteria.into_iter().collect();
        let mut times: BTreeMap<&str, usize> = OWN.iter().map(|name| (*name, 1)).collect();
        for (name, _) in criteria.iter().flat_map(|(_, scores)| &scores.columns) {
            *times.entry(name).or_default() += 1;
        }
        let mut columns = Vec::new();
        for (text, scores) in criteria {
            for (name, numbers) in &scores.columns {
                let unique = if times[name.as_str()] > 1 { format!("{text}.{name}") } else { name.clone() };
                columns.push((unique, scores.inputs.iter().copied().zip(numbers.iter().copied()).collect()));
            }
        }
        Self { facts, columns }
    }

    /// As CSV: infinity is `inf`, what is not there empty.
    ///
    /// # Errors
    /// If memory does not suffice.
    pub fn csv(&self) -> Result<Vec<u8>> {
        let failed =
            |why: &dyn std::fmt::Display| Error::new(ErrorKind::Io, format!("the table cannot be written: {why}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        let names = OWN.into_iter().chain(self.columns.iter().map(|(name, _)| name.as_str()));
        writer.write_record(names).map_err(|why| failed(&why))?;
        for (input, facts) in (0u64..).zip(self.facts) {
            let whole = |number: Option<i64>| number.map_or_else(String::new, |number| number.to_string());
            let own = [input.to_string(), facts.name.clone(), whole(facts.label), whole(facts.predicted)];
            let numbers = self.columns.iter().map(|(_, numbers)| match numbers.get(&input) {
                Some(number) if !number.is_nan() => format!("{number:?}"),
                _ => String::new(),
            });
            writer.write_record(own.into_iter().chain(numbers)).map_err(|why| failed(&why))?;
        }
        writer.into_inner().map_err(|why| failed(&why))
    }

    /// As JSON: a list with an object for each input, a line each; infinity is `"inf"`, what is not there `null`.
    pub fn json(&self) -> String {
        let rows = (0u64..).zip(self.facts).map(|(input, facts)| {
            let own: [Value; 4] =
                [input.into(), facts.name.as_str().into(), facts.label.into(), facts.predicted.into()];
            let own = OWN.iter().map(|name| (*name).to_owned()).zip(own);
            let numbers = self.columns.iter().map(|(name, numbers)| {
                (name.clone(), numbers.get(&input).map_or(Value::Null, |number_of| number(*number_of)))
            });
            Value::Object(own.chain(numbers).collect()).to_string()
        });
        format!("[\n{}\n]\n", rows.collect::<Vec<_>>().join(",\n"))
    }
}

/// A number as JSON has it: infinity as `"inf"`, and what is none as `null`.
pub(crate) fn number(number: f64) -> Value {
    match number.is_infinite() {
        true => number.to_string().into(),
        false => serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Vec<InputFacts> {
        let of = |name: &str, label, predicted| InputFacts { name: name.to_owned(), label, predicted };
        vec![of("a,\"b\".png", Some(3), Some(4)), of("c.png", None, None), of("d.png", Some(-1), Some(0))]
    }

    fn scores(name: &str, inputs: &[u64], numbers: &[f64]) -> PerInput {
        PerInput { inputs: inputs.to_vec(), columns: vec![(name.to_owned(), numbers.to_vec())] }
    }

    #[test]
    fn columns_of_one_name_are_told_apart() {
        let facts = facts();
        let one = scores("dsa", &[0, 2], &[0.1, f64::NEG_INFINITY]);
        let other = scores("dsa", &[1, 2], &[1e300, f64::NAN]);
        let label = scores("label", &[0], &[1.0]);
        let table = Table::new(&facts, [("dsa@a", &one), ("dsa@b", &other), ("acme::x", &label)]);
        assert_eq!(
            String::from_utf8(table.csv().unwrap()).unwrap(),
            "input,name,label,predicted,dsa@a.dsa,dsa@b.dsa,acme::x.label\n\
             0,\"a,\"\"b\"\".png\",3,4,0.1,,1.0\n\
             1,c.png,,,,1e300,\n\
             2,d.png,-1,0,-inf,,\n"
        );
        let rows: Vec<BTreeMap<String, Value>> = serde_json::from_str(&table.json()).unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!((&rows[0]["dsa@a.dsa"], &rows[0]["label"]), (&0.1.into(), &3.into()));
        assert_eq!((&rows[2]["dsa@a.dsa"], &rows[2]["dsa@b.dsa"]), (&"-inf".into(), &Value::Null));
        assert_eq!((&rows[1]["predicted"], &rows[1]["dsa@b.dsa"]), (&Value::Null, &1e300.into()));
        assert_eq!(table.json().lines().count(), 5, "a line for each input");
    }

    #[test]
    fn all_digits_are_there() {
        let facts = vec![facts().remove(1)];
        let number = 0.1 + 0.2;
        let table = Table::new(&facts, [("mdsa", &scores("mdsa", &[0], &[number]))]).csv().unwrap();
        let last = String::from_utf8(table).unwrap().trim().rsplit(',').next().unwrap().to_owned();
        assert_eq!(last.parse::<f64>().unwrap().to_bits(), number.to_bits());
    }
}
