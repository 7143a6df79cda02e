//! Which model and which data the first test is for: what was named, what was found and opens, what the user chooses.

use std::path::{Path, PathBuf};

use crate::arguments;
use crate::error::{Error, Result};
use crate::progress::{say, warn};

use super::engine::{self, Engine, Refused};
use super::find::{self, Found};
use super::steps::{self, Steps};
use super::{Stop, ask, place};

/// Most data sets that are opened to see what they are.
const MOST_OPENED: usize = 8;

/// The model of the first test.
pub struct Model {
    /// Its path from the package's folder.
    pub path: String,
    /// What the engine says of it.
    pub facts: engine::Model,
}

/// The data of the first test.
pub struct Data {
    /// What is judged, as a location from the package's folder.
    pub test: String,
    /// What that holds.
    pub facts: String,
    /// The same of the inputs that give ranges.
    pub profile: Option<(String, String)>,
    /// How inputs are prepared.
    pub steps: Steps,
    /// Whether labels are the model's classes.
    pub labels_fit: bool,
    /// Whether the model answers well on it as it is prepared, so that nothing about its input is in doubt.
    pub confirms: bool,
}

/// Looks for what the user has not named.
pub struct Look<'a> {
    /// The package's folder.
    pub folder: &'a Path,
    /// What the user named.
    pub arguments: &'a arguments::Init,
    /// Whether to ask where there are several.
    pub asks: bool,
    /// What lies below the folder.
    pub found: Found,
    /// Where samples are put.
    pub samples: PathBuf,
}

impl Look<'_> {
    /// The paths of models, those to be tried first in front; at least one.
    pub fn model_candidates(&self) -> Result<Vec<String>> {
        if let Some(path) = &self.arguments.model {
            return match path.is_file() {
                true => Ok(vec![place::of_file(self.folder, path)?]),
                false => Err(Error::NoModel { path: path.clone() }),
            };
        }
        let mut models = self.found.models.clone();
        if models.is_empty() {
            let all = if self.found.cut_short { " (there is too much to look at all of it)" } else { "" };
            return Err(Error::Init {
                problem: format!("there is no model, no .pt, .pt2 or .ptl file, below {}{all}", self.folder.display()),
                fix: "export one in Python, torch.jit.trace(model.eval(), example).save(\"models/model.pt\"), \
                      or name one: cargo cleanai init --model FILE"
                    .into(),
            });
        }
        if self.asks && models.len() > 1 {
            let chosen = ask::which("Which model is the first test for?", &models);
            models = vec![models.swap_remove(chosen)];
        }
        Ok(models)
    }

    /// The first of these that opens.
    pub fn model(&self, candidates: &[String], engine: &mut Engine<'_>) -> Result<Model, Stop> {
        let mut refused = None;
        for (number, path) in candidates.iter().enumerate() {
            match engine.inspect(path)? {
                Ok(facts) => {
                    let others = candidates.len() - 1 - number;
                    let why = match others {
                        0 => String::new(),
                        _ => format!("; the likeliest of {} by its name (--model takes another)", candidates.len()),
                    };
                    say("Model", format!("{path}: {}{why}", facts.describe()));
                    return Ok(Model { path: path.clone(), facts });
                }
                Err(Refused { said, code }) => {
                    if candidates.len() > 1 {
                        warn(format!("{path} is passed over: {}", first_line(&said)));
                    }
                    refused.get_or_insert((said, code));
                }
            }
        }
        let (said, code) = refused.unwrap_or_default();
        Err(Stop::Refused(Refused { said, code }))
    }

    /// The data that fits the model best; none if there is none.
    pub fn data(&self, model: &mut Model, engine: &mut Engine<'_>) -> Result<Option<Data>, Stop> {
        let named = self.arguments.data.as_deref();
        let mut candidates = match named {
            Some(named) => find::look_at_data(self.folder, &place::of_data(self.folder, named)?),
            None => self.found.data.clone(),
        };
        candidates.truncate(MOST_OPENED);
        if let Some(profile) = &self.arguments.profile {
            let profile = place::of_data(self.folder, profile)?;
            candidates.iter_mut().for_each(|data| data.profile = Some(profile.clone()));
        }
        let mut opened = self.open(candidates, named.is_some(), engine)?;
        if named.is_none() {
            // Of a model that could not be tried it is not known what fits, but that one array is not several inputs.
            let unknown = !model.facts.runs() && !model.facts.takes_several();
            opened.retain(|opened| unknown || steps::fit(&model.facts, &opened.test));
        }
        let classes = model.facts.classes();
        opened.sort_by_key(|opened| (!opened.test.labels_fit(classes), opened.profile.is_none()));
        if opened.is_empty() {
            return Ok(None);
        }
        let describe = |opened: &Opened| {
            let profile = opened.profile.as_ref();
            let profile = profile.map(|facts| {
                format!(
                    ", with ranges from {} ({})",
                    opened.data.profile.as_deref().unwrap_or_default(),
                    facts.describe()
                )
            });
            format!("{} ({}){}", opened.data.test, opened.test.describe(), profile.unwrap_or_default())
        };
        let several = opened.len();
        let chosen = match self.asks && several > 1 {
            true => ask::which("Which data is the model judged on?", &opened.iter().map(describe).collect::<Vec<_>>()),
            false => 0,
        };
        let chosen = opened.swap_remove(chosen);
        let why = match several {
            1 => "",
            _ if self.asks => "",
            _ => "; labels, a training set beside it and its name speak for it (--data takes another)",
        };
        say("Data", format!("{}{why}", describe(&chosen)));
        self.prepared(chosen, model, engine).map(Some)
    }

    /// What the engine says of each; those that it cannot open are left out, or an error if the user named them.
    fn open(&self, candidates: Vec<find::Data>, named: bool, engine: &mut Engine<'_>) -> Result<Vec<Opened>, Stop> {
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let mut locations: Vec<String> = Vec::new();
        for data in &candidates {
            locations.push(data.test.clone());
            locations.extend(data.profile.clone());
        }
        let mut facts = match engine.data(self.folder, &locations, &self.samples)? {
            Ok(facts) => facts.into_iter(),
            Err(refused) => return Err(Stop::Refused(refused)),
        };
        let mut opened = Vec::new();
        for data in candidates {
            let test = facts.next().unwrap_or_default();
            let profile = data.profile.as_ref().map(|_| facts.next().unwrap_or_default());
            let profile_is_named = self.arguments.profile.is_some();
            for (location, facts, named) in
                [(Some(&data.test), Some(&test), named), (data.profile.as_ref(), profile.as_ref(), profile_is_named)]
            {
                let (Some(location), Some(Some(error))) = (location, facts.map(|facts| facts.error.as_ref())) else {
                    continue;
                };
                if named {
                    return Err(Stop::Error(Error::Init {
                        problem: format!("{location} cannot be taken as data: {error}"),
                        fix: "name an image folder, an .npz, .npy or idx file, or a manifest (.csv)".into(),
                    }));
                }
                warn(format!("{location} is passed over: {error}"));
            }
            if test.error.is_none() {
                let profile = profile.filter(|profile| profile.error.is_none());
                opened.push(Opened { data, test, profile });
            }
        }
        Ok(opened)
    }

    fn prepared(&self, chosen: Opened, model: &mut Model, engine: &mut Engine<'_>) -> Result<Data, Stop> {
        let Opened { data, test, profile } = chosen;
        if let Some(shape) = steps::shape_to_try(&model.facts, &test).filter(|_| model.facts.is_assumed())
            && let Ok(facts) = engine.inspect_with(&model.path, Some(&shape))?
            && facts.runs()
        {
            say(
                "Input",
                format!("{}: it runs on the shape of the data too, which is likelier", engine::batched(&shape)),
            );
            model.facts = facts;
        }
        let labels_fit = test.labels_fit(model.facts.classes());
        let sample = test.sample.as_deref().filter(|_| labels_fit);
        let steps = steps::propose(&model.facts, &test, |transform| match sample {
            Some(sample) => engine.right_and_sure(&model.path, sample, transform),
            None => Ok(None),
        })?;
        match &steps.text {
            Some(transform) => say("Transform", format!("{transform}: {}", steps.why)),
            None => say("Transform", format!("none: {}", steps.why)),
        }
        let mut facts = test.describe();
        if data.profile.as_ref() == Some(&data.test) {
            facts.push_str("; CHECK: only training data was found, so it judges itself");
        }
        let profile = data.profile.zip(profile).map(|(path, facts)| (path, facts.describe()));
        Ok(Data { test: data.test, facts, profile, confirms: steps.confirmed, steps, labels_fit })
    }
}

/// A data set that could be opened.
struct Opened {
    data: find::Data,
    test: engine::Data,
    profile: Option<engine::Data>,
}

/// What an error of the engine says first, without the word error.
fn first_line(said: &str) -> &str {
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("the engine gave no reason");
    line.trim_start_matches("error: ")
}
