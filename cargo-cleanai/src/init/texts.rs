//! The files that are written: `cleanai.toml` and the first coverage test.

use toml_edit::Value;

use super::steps::Steps;

/// What the first test requires of a figure: it is measured, and from then on held against the baseline.
pub const FIRST_BOUND: &str = ">= baseline";

/// Marks what the user has to look at.
pub const MARK: &str = "CHECK";

/// A model's table.
pub struct ModelTable<'a> {
    /// Its key, and the test's name.
    pub key: &'a str,
    /// Its file, from the package.
    pub path: &'a str,
    /// What it is.
    pub facts: &'a str,
    /// What the user has to look at.
    pub doubt: Option<&'a str>,
}

/// A data set's table.
pub struct DataTable<'a> {
    /// Its key.
    pub key: &'a str,
    /// The location of what is judged.
    pub test: &'a str,
    /// What that holds.
    pub test_facts: &'a str,
    /// The location of what gives ranges, and what that holds.
    pub profile: Option<(&'a str, &'a str)>,
    /// The steps.
    pub steps: &'a Steps,
}

/// The text of `cleanai.toml`.
pub fn configuration(package: &str, model: &ModelTable<'_>, data: Option<&DataTable<'_>>) -> String {
    let ModelTable { key, path, facts, doubt } = model;
    let mut text = format!(
        "# What the coverage tests of {package} leave open. Paths start at this file; what stands behind # may be added.\n\n[models.{key}]\n"
    );
    let mut line = |code: String, comment: &str| text.push_str(&annotated(&code, comment));
    line(format!("path = {}", quoted(path)), facts);
    line("device = \"cpu\"".into(), "auto takes a GPU where there is one; figures differ a little between devices");
    if let Some(doubt) = doubt {
        text.push_str(&format!("# {MARK}: {doubt}\n"));
    }
    text.push('\n');
    text.push_str(&data.map_or_else(no_data, data_table));
    text.push_str("\n[baseline]\n");
    text.push_str(&annotated("tolerance = 0.002", "a figure may fall by this much before it counts as a regression"));
    text.push_str(&annotated(
        "on_improvement = \"ignore\"",
        "or pending: a better figure is proposed as the new baseline; or fail",
    ));
    text.push('\n');
    text.push_str(&annotated("[report]", &format!("all in target/cleanai/{package}")));
    text.push_str("pdf = true\njunit = true\njson = true\n");
    text
}

/// The table of a data set.
pub fn data_table(data: &DataTable<'_>) -> String {
    let DataTable { key, test, test_facts, profile, steps } = data;
    let mut text = format!("[data.{key}]\n");
    match profile {
        Some((profile, facts)) => {
            text.push_str(&annotated(&format!("profile = {}", quoted(profile)), &format!("{facts}; gives neurons their ranges: usually the training set")));
        }
        None => text.push_str(&format!(
            "# profile = \"data/train\"             # {MARK}: what gives neurons their ranges, for kmnc, nbc, snac, surprise and monitors\n"
        )),
    }
    text.push_str(&annotated(&format!("test = {}", quoted(test)), &format!("{test_facts}; what is judged")));
    let mark = if steps.doubtful { format!("{MARK}: ") } else { String::new() };
    match &steps.text {
        Some(transform) => text.push_str(&format!("# {mark}{}\ntransform = {transform}\n", steps.why)),
        None => text.push_str(&format!(
            "# {mark}{}\n# transform = [\"grayscale\", {{ resize = [28, 28] }}, \"scale\"]\n",
            steps.why
        )),
    }
    text
}

fn no_data() -> String {
    format!(
        "# {MARK}: no data was found below this folder. Say where it lies, and take the # away.\n\
         # [data.digits]\n\
         # profile = \"data/train\"             # gives neurons their ranges: usually the training set\n\
         # test = \"data/test\"                 # what is judged: an image folder, .npz, .npy, idx[.gz] or a manifest (.csv)\n\
         # transform = [\"grayscale\", {{ resize = [28, 28] }}, \"scale\"]\n"
    )
}

fn annotated(code: &str, comment: &str) -> String {
    format!("{code:36}  # {comment}\n")
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// What the first test can require.
#[derive(Debug, Clone, Copy)]
pub struct Requirements {
    /// Labels are the model's classes.
    pub accuracy: bool,
    /// There is a profile.
    pub sections: bool,
}

/// The text of the test file. `model` is a key or a path, `data` a key where there are several.
pub fn test_file(package: &str, function: &str, model: &str, data: Option<&str>, requirements: Requirements) -> String {
    let mut lines = vec![format!("    model = {model:?},")];
    lines.extend(data.map(|data| format!("    data = {data:?},")));
    let mut require = |criterion: &str, comment: &str| {
        let requirement = format!("    {criterion} {FIRST_BOUND},");
        lines.push(format!("{requirement:32}// {comment}"));
    };
    if requirements.accuracy {
        require("accuracy", "the share of test inputs answered correctly");
    }
    require("nc", "neurons that exceed 0.75 of their layer's range for some input");
    if requirements.sections {
        require(
            "kmnc(k = 100)",
            "of 100 sections of each neuron's range in the profile, those that some input reaches",
        );
    }
    format!(
        "//! The release gate of {package}. What is not said here is in `cleanai.toml`.\n\n\
         use cleanai_harness::prelude::*;\n\n\
         /// The test data exercises the model as thoroughly as the accepted baseline says.\n\
         #[cleanai::coverage(\n{}\n)]\n\
         fn {function}() {{}}\n\n\
         cleanai_harness::main!();\n",
        lines.join("\n")
    )
}

/// A name made of a text that both TOML and Rust take: letters, digits and `_`.
pub fn name(text: &str, otherwise: &str) -> String {
    const TAKEN: &str = " as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl in let loop \
                         macro main match mod move mut override priv pub ref return self static struct super trait true try type typeof unsafe \
                         unsized use virtual where while yield abstract union ";
    let mut name = String::new();
    for sign in text.chars().take(64) {
        match sign {
            _ if sign.is_ascii_alphanumeric() => name.push(sign.to_ascii_lowercase()),
            _ if name.is_empty() || name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    let name = name.trim_end_matches('_');
    match name {
        "" => otherwise.to_string(),
        _ if name.starts_with(|sign: char| sign.is_ascii_digit()) || TAKEN.contains(&format!(" {name} ")) => {
            format!("{otherwise}_{name}")
        }
        _ => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_by_toml_and_rust() {
        for (text, expected) in [
            ("lenet5", "lenet5"),
            ("ResNet-18 (best)", "resnet_18_best"),
            ("2024-model", "model_2024_model"),
            ("main", "model_main"),
            ("fn", "model_fn"),
            ("___", "model"),
            ("模型", "model"),
            ("a\n] b", "a_b"),
        ] {
            assert_eq!(name(text, "model"), expected);
        }
    }

    #[test]
    fn the_configuration_is_toml_whatever_paths_are() {
        let steps = Steps { text: Some("[\"scale\"]".into()), why: "because".into(), doubtful: true, confirmed: false };
        let hostile = "a \"b\\\u{7}\n# x.pt";
        let model = ModelTable { key: "m", path: hostile, facts: "TorchScript", doubt: Some("look") };
        let data = DataTable {
            key: "d",
            test: hostile,
            test_facts: "9 inputs",
            profile: Some((hostile, "8 inputs")),
            steps: &steps,
        };
        let text = configuration("user", &model, Some(&data));
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["models"]["m"]["path"].as_str(), Some(hostile));
        assert_eq!(table["data"]["d"]["profile"].as_str(), Some(hostile));
        assert_eq!(table["data"]["d"]["transform"][0].as_str(), Some("scale"));
        assert!(text.contains("# CHECK: because\n") && text.contains("# CHECK: look\n"), "{text}");
        let table: toml::Table = configuration("user", &model, None).parse().unwrap();
        assert!(!table.contains_key("data"));
    }

    #[test]
    fn the_first_test_requires_what_can_be_measured() {
        let all = Requirements { accuracy: true, sections: true };
        let text = test_file("user", "lenet5", "lenet5", Some("digits"), all);
        for part in
            ["model = \"lenet5\",", "data = \"digits\",", "accuracy >=", "nc >=", "kmnc(k = 100) >=", "fn lenet5() {}"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let text = test_file("user", "m", "models/m.ptl", None, Requirements { accuracy: false, sections: false });
        assert!(!text.contains("accuracy") && !text.contains("kmnc") && !text.contains("data ="), "{text}");
    }
}
