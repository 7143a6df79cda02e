//! The tables of a `cleanai.toml`, with all their keys.

use super::{Default, Key, Kind, Section};
use crate::config::tests::MAX_BATCH;
use crate::synthesis::parameters::Within;

use Default::{Needed, Value, Words};

/// All tables, in the order of the page.
pub(crate) static SECTIONS: [Section; 6] = [
    Section {
        name: "models",
        named: true,
        says: "A model that tests name: `#[cleanai::coverage(model = \"NAME\")]`. A test may also name a file, and gets the keys of the table with that `path`.",
        keys: MODELS,
        one_of: &["path", "function"],
    },
    Section {
        name: "data",
        named: true,
        says: "Inputs that tests are measured on: those that are judged, and those that say what is usual. If there is one such table, tests need not name it.",
        keys: DATA,
        one_of: &[],
    },
    Section {
        name: "tests",
        named: true,
        says: "What the attribute of one test leaves open. `NAME` is the function's name, or `\"module::function\"`, which wins.",
        keys: TESTS,
        one_of: &[],
    },
    Section {
        name: "defaults",
        named: false,
        says: "The same keys for all tests, where neither the attribute nor `[tests.NAME]` says otherwise.",
        keys: DEFAULTS,
        one_of: &[],
    },
    Section {
        name: "baseline",
        named: false,
        says: "How figures are compared with those that a reviewer accepted.",
        keys: BASELINE,
        one_of: &[],
    },
    Section {
        name: "report",
        named: false,
        says: "What is written besides the terminal, and where.",
        keys: REPORT,
        one_of: &[],
    },
];

/// `[models.NAME]`
pub(crate) static MODELS: &[Key] = &[
    Key::new(
        "path",
        Kind::Path,
        Words("needed, unless `function` is there"),
        "\"models/lenet5.pt\"",
        "The file: TorchScript (`.pt`) or torch.export (`.pt2`).",
    ),
    Key::new(
        "function",
        Kind::Text,
        Words("none; it stands in place of `path`"),
        "\"lenet5\"",
        "A function marked `#[cleanai::model]` that builds the model in Rust.",
    ),
    Key::new(
        "device",
        Kind::Device,
        Words("that of `[defaults]`, else `\"auto\"`"),
        "\"cuda:1\"",
        "Where the model runs. The attribute and `[tests.NAME]` win over it, and it wins over `[defaults]`.",
    )
    .or_variable("CLEANAI_DEVICE"),
    Key::new(
        "libraries",
        Kind::List(&Kind::Path, 0),
        Value("[]"),
        "[\"libtorchvision.so\"]",
        "Libraries that bring operators, loaded before the model is opened: their code runs. A bare name is left to the loader, a path with a folder starts at the file.",
    ),
    Key::new(
        "allow_files",
        Kind::Flag,
        Value("false"),
        "true",
        "Whether the model's code may call operators that read and write files.",
    ),
    Key::new(
        "state",
        Kind::Word(&["fresh", "keep"]),
        Value("\"fresh\""),
        "\"keep\"",
        "What a batch starts with where runs change the model's state: that of the file, or what the last batch left.",
    ),
    Key::new(
        "inputs",
        Kind::Map("an input's name", &Kind::Either(&[ELEMENT, Kind::Table(INPUT)])),
        Value("{}"),
        "{ tokens = \"int64\", x = { type = \"float16\", batch = 1 } }",
        "What inputs are, against what the file says: the type of their elements, or a table.",
    ),
    Key::new(
        "axes",
        Kind::Map("a glob on layer names", &Kind::Table(AXIS)),
        Value("{}"),
        "{ \"encoder.*\" = { channel = 2 } }",
        "Where the batch and the channels of single layers' outputs lie, against the rules. Axes count from 0, below zero from the end.",
    ),
];

const ELEMENT: Kind =
    Kind::Word(&["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]);

/// A value of `inputs` in `[models.NAME]`.
pub(crate) static INPUT: &[Key] = &[
    Key::new(
        "type",
        ELEMENT,
        Words("that of the file, else that of the data"),
        "\"int64\"",
        "The type of its elements.",
    ),
    Key::new(
        "batch",
        Kind::Integer(i64::MIN, i64::MAX),
        Value("0"),
        "1",
        "The axis the inputs of a batch lie along: 1 for sequences with time first.",
    ),
];

/// A value of `axes` in `[models.NAME]`.
pub(crate) static AXIS: &[Key] = &[
    Key::new(
        "batch",
        Kind::Integer(i64::MIN, i64::MAX),
        Words("by the rules"),
        "1",
        "The axis inputs are counted along.",
    ),
    Key::new(
        "channel",
        Kind::Integer(i64::MIN, i64::MAX),
        Words("by the rules"),
        "-1",
        "The axis neurons are counted along when a channel is a neuron.",
    ),
];

/// `[data.NAME]`
pub(crate) static DATA: &[Key] = &[
    Key::new(
        "profile",
        Kind::Location,
        Words("none; criteria that need ranges then say so"),
        "\"data/train\"",
        "The inputs that say what is usual, most often the training set: they give neurons their ranges.",
    ),
    Key::new(
        "test",
        Kind::Location,
        Needed,
        "\"data/test#0..500\"",
        "The inputs that are judged: a folder of images, `.npz`, `.npy`, idx (plain or `.gz`) or a manifest (`.csv`). `#0..500` takes a part of them.",
    ),
    Key::new(
        "untrusted",
        Kind::Location,
        Words("none"),
        "\"data/noise\"",
        "Inputs that monitors (`src`, `mrc`, `topk`, `knn`) must not accept, unless a criterion names its own.",
    ),
    Key::new(
        "transform",
        Kind::List(&Kind::Step, 0),
        Value("[]"),
        "[\"grayscale\", { resize = [28, 28] }, { normalize = { mean = [0.5], std = [0.5] } }]",
        "The steps from a file to an input of the model, in order.",
    ),
    Key::new(
        "on_bad_input",
        Kind::Word(&["fail", "skip"]),
        Value("\"fail\""),
        "\"skip\"",
        "What an input that cannot be decoded does: the test fails, or the input is left out, counted and reported.",
    ),
    Key::new(
        "augment",
        Kind::Either(&[Kind::Augmentation, Kind::List(&Kind::Augmentation, 0)]),
        Value("[]"),
        "{ gaussian = { std = 0.3, seed = 1 } }",
        "Further inputs made of the test set, judged together with it: by noise or by attacks. Several make a list.",
    ),
];

const DATA_KEY: (&str, Kind, &str, &str) = ("data", Kind::Text, "\"digits\"", "The name of a `[data.NAME]` table.");
const REQUIRE: (&str, Kind, &str, &str) = (
    "require",
    Kind::List(&Kind::Requirement, 0),
    "[\"accuracy >= 0.98\", \"kmnc(k=100)@conv2 >= 0.4\"]",
    "What must hold, each `criterion[(parameters)][@layers][.figure] op bound`, the bound a number, `baseline` or `against` (also `baseline - 0.01`). Those of the attribute, of `[tests.NAME]` and of `[defaults]` add up; the nearer one replaces a bound on the same figure.",
);
const LAYERS: (&str, Kind, &str, &str) = (
    "layers",
    Kind::Either(&[Kind::Selector, Kind::List(&Kind::Selector, 1)]),
    "[\"conv*\", \"class:ReLU\"]",
    "The layers that criteria see unless they name their own: a glob on names, `class:ReLU`, `penultimate`, `logits`, or a list.",
);
const NEURONS: (&str, Kind, &str, &str) = (
    "neurons",
    Kind::Word(&["channel", "unit"]),
    "\"unit\"",
    "What a neuron is: a channel (its mean over the positions), or every single value of a layer's output.",
);
const BATCH: (&str, Kind, &str, &str) =
    ("batch", Kind::Integer(1, MAX_BATCH as i64), "32", "Inputs per forward pass, one size for profile and test set.");
const DEVICE: (&str, Kind, &str, &str) =
    ("device", Kind::Device, "\"cpu\"", "Where the model runs: `auto` is the first GPU if there is one, else the CPU.");
const NON_FINITE: (&str, Kind, &str, &str) = (
    "non_finite",
    Kind::Word(&["error", "ignore"]),
    "\"ignore\"",
    "What NaN and infinite activations do: the test fails, or they are skipped, counted and reported.",
);

/// A key of both tables, with what holds where it is not written.
const fn of((name, kind, example, says): (&'static str, Kind, &'static str, &'static str), default: Default) -> Key {
    Key::new(name, kind, default, example, says)
}

const OF_DEFAULTS: Default = Words("that of `[defaults]`");

/// `[tests.NAME]`
pub(crate) static TESTS: &[Key] = &[
    of(DATA_KEY, OF_DEFAULTS),
    of(REQUIRE, Value("[]")),
    Key::new(
        "against",
        Kind::Text,
        Words("no other"),
        "\"models/released.pt\"",
        "A model that this one is compared with, a name of `[models]` or a path: it is measured on the same data, and requirements may name it (`idc(m=6) >= against - 0.02`).",
    ),
    Key::new(
        "tolerance",
        Kind::Tolerances,
        Words("that of `[baseline]`"),
        "{ neurons = 3 }",
        "The tolerances of this test; what it says nothing of is that of `[baseline]`.",
    ),
    of(LAYERS, OF_DEFAULTS),
    of(NEURONS, OF_DEFAULTS),
    of(BATCH, OF_DEFAULTS).or_variable("CLEANAI_BATCH"),
    of(DEVICE, Words("that of `[models.NAME]`, else that of `[defaults]`")).or_variable("CLEANAI_DEVICE"),
    of(NON_FINITE, OF_DEFAULTS),
];

/// `[defaults]`
pub(crate) static DEFAULTS: &[Key] = &[
    of(DATA_KEY, Words("the only `[data.NAME]`, if there is one")),
    of(REQUIRE, Value("[]")),
    of(LAYERS, Words("all layers with neurons")),
    of(NEURONS, Value("\"channel\"")),
    of(BATCH, Value("64")).or_variable("CLEANAI_BATCH"),
    of(DEVICE, Value("\"auto\"")).or_variable("CLEANAI_DEVICE"),
    of(NON_FINITE, Value("\"error\"")),
];

/// A tolerance that is no plain number; of these keys there is one.
pub(crate) static TOLERANCE: &[Key] = &[
    Key::new(
        "absolute",
        Kind::Number(Within::AtLeastZero),
        Needed,
        "0.002",
        "In the figure's own unit, as a plain number.",
    ),
    Key::new("relative", Kind::Number(Within::AtLeastZero), Needed, "0.01", "A share of the baseline's figure."),
    Key::new("neurons", Kind::Integer(0, i64::MAX), Needed, "3", "What belongs to so many neurons."),
    Key::new("items", Kind::Integer(0, i64::MAX), Needed, "5", "So many neurons, corners or sections."),
];

/// `[baseline]`
pub(crate) static BASELINE: &[Key] = &[
    Key::new(
        "tolerance",
        Kind::Tolerances,
        Value("0.002"),
        "{ default = 0.002, \"kmnc(k=1000)\" = 0.01 }",
        "How much a figure may fall below its baseline before it counts as a regression: in its own unit, as a share of the baseline's figure (`relative`), as much as belongs to so many `neurons`, or so many `items` of what the criterion counts; one for all, or one for each criterion.",
    )
    .or_variable("CLEANAI_BASELINE_TOLERANCE"),
    Key::new(
        "on_improvement",
        Kind::Word(&["ignore", "pending", "fail"]),
        Value("\"ignore\""),
        "\"pending\"",
        "What a figure above its baseline does: nothing, leave a snapshot to review, or fail until the better figure is accepted.",
    )
    .or_variable("CLEANAI_BASELINE_ON_IMPROVEMENT"),
    Key::new(
        "enabled",
        Kind::Flag,
        Value("true"),
        "false",
        "Whether there is a baseline at all; without one requirements alone decide.",
    ),
    Key::new(
        "by",
        Kind::List(&Kind::Word(&["device", "libtorch"]), 0),
        Value("[\"device\"]"),
        "[\"device\", \"libtorch\"]",
        "What has baselines of its own: a GPU (`lenet5@cuda.snap`), a release of libtorch (`lenet5@libtorch-2.13.snap`). A file of such a name is used wherever it lies.",
    ),
];

const FILE: Kind = Kind::Either(&[Kind::Flag, Kind::Path]);

/// `junit = {...}` in `[report]`
pub(crate) static JUNIT: &[Key] = &[
    Key::new(
        "path",
        Kind::Path,
        Value("\"target/cleanai/<package>/<test target>.junit.xml\""),
        "\"reports/coverage.junit.xml\"",
        "Where it is written.",
    ),
    Key::new(
        "strict",
        Kind::Flag,
        Value("false"),
        "true",
        "Whether it holds only what Jenkins' schema for JUnit files knows: no file and line of a test, no properties of one.",
    ),
];

/// `[report]`
pub(crate) static REPORT: &[Key] = &[
    Key::new(
        "pdf",
        FILE,
        Value("true"),
        "\"reports/coverage.pdf\"",
        "The PDF: a path, `false`, or `true` for `target/cleanai/<package>/<test target>.pdf`.",
    )
    .or_variable("CLEANAI_REPORT_PDF"),
    Key::new(
        "junit",
        Kind::Either(&[Kind::Flag, Kind::Path, Kind::Table(JUNIT)]),
        Value("true"),
        "{ path = \"reports/coverage.junit.xml\", strict = true }",
        "The JUnit XML, likewise with `.junit.xml`. Under nextest `true` writes none, because nextest writes its own.",
    )
    .or_variable("CLEANAI_REPORT_JUNIT"),
    Key::new("json", FILE, Value("true"), "true", "All figures with all digits, likewise with `.json`.")
        .or_variable("CLEANAI_REPORT_JSON"),
    Key::new("html", FILE, Value("true"), "\"reports/coverage.html\"", "The page for a browser, one file without a network, likewise with `.html`.")
        .or_variable("CLEANAI_REPORT_HTML"),
    Key::new(
        "markdown",
        FILE,
        Value("true"),
        "false",
        "The summary in Markdown, likewise with `.md`. On GitHub Actions it is added to the summary of the step too, whatever is said here.",
    )
    .or_variable("CLEANAI_REPORT_MARKDOWN"),
    Key::new(
        "style",
        Kind::Word(&["default", "cleanai"]),
        Value("\"default\""),
        "\"cleanai\"",
        "What the PDF shows of a test: requirements, baseline and layers, or the tables of the CleanAI library's report below the requirements.",
    ),
];
