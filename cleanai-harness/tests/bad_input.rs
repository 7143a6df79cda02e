//! Bad models, data and settings: each gives one clear error, and nothing crashes.

mod common;

use std::io::{Cursor, Read, Write};
use std::path::Path;

use cleanai_harness::data::DataSet;
use cleanai_harness::declare::{DataLocation, DeviceChoice, NonFinite, OnBadInput};
use cleanai_harness::model::Model;
use cleanai_harness::{Error, measure};
use common::{Case, declaration, fixture, root};
use tch::{Kind, Tensor};

/// An error with its paths relative to the repository.
fn text(error: &Error) -> String {
    let folder = format!("{}/", root().display());
    error.to_string().replace(&folder, "")
}

/// Compares the first line of all errors, then fails with all that differ. Most errors say what to do as well.
fn check(found: Vec<(String, String)>, expected: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (name, found) in &found {
        let main = found.lines().next().unwrap_or_default();
        match expected.iter().find(|(known, _)| known == name) {
            Some((_, wanted)) if *wanted == main => {}
            wanted => wrong += &format!("{name}\n  found    {found:?}\n  expected {:?}\n", wanted.map(|w| w.1)),
        }
        assert!(!found.contains("Exception") && !found.contains(".cpp") && !found.contains("frame #"), "{found}");
    }
    for (name, _) in expected.iter().filter(|(name, _)| found.iter().all(|(known, _)| known != name)) {
        wrong += &format!("{name}: not there\n");
    }
    assert!(wrong.is_empty(), "{wrong}");
}

const MODELS: &[(&str, &str)] = &[
    (
        "broken_json.pt2",
        "fixtures/bad/broken_json.pt2: models/model.json is damaged: EOF while parsing a string at line 1 column 4528",
    ),
    (
        "dangling_value.pt2",
        "fixtures/bad/dangling_value.pt2: its graph is damaged: it reads the value \"nowhere\", which nothing before makes",
    ),
    ("empty.pt", "fixtures/bad/empty.pt is empty"),
    ("empty.pt2", "fixtures/bad/empty.pt2 is empty"),
    (
        "enormous_weights.pt2",
        "fixtures/bad/enormous_weights.pt2: weight fc1.weight has the shape [4611686018427387904, 8], but only 96 values are stored in the archive",
    ),
    (
        "fixed_batch.pt2",
        "run: fixtures/bad/fixed_batch.pt2 was exported for batches of exactly 3 inputs, it is given 2",
    ),
    ("legacy.pt", "fixtures/bad/legacy.pt was written by torch.save in its legacy format, which holds no program"),
    ("no_code.pt", "fixtures/bad/no_code.pt: the code of its class networks.Mlp is missing in the archive"),
    ("no_program.pt2", "fixtures/bad/no_program.pt2 has no graph: models/model.json is missing in the archive"),
    ("no_weights.pt", "fixtures/bad/no_weights.pt: the weights data/0 are missing in the archive"),
    (
        "no_weights.pt2",
        "fixtures/bad/no_weights.pt2: weight fc1.weight has its values in data/weights/weight_0, which is missing in the archive",
    ),
    ("other_archive.pt", "fixtures/bad/other_archive.pt is a zip archive, but neither TorchScript nor torch.export"),
    ("other_archive.pt2", "fixtures/bad/other_archive.pt2 is a zip archive, but neither TorchScript nor torch.export"),
    (
        "pickled_module.pt",
        "fixtures/bad/pickled_module.pt is a pickled Python object (networks.Mlp), which only Python can open",
    ),
    (
        "short_weights.pt",
        "fixtures/bad/short_weights.pt: the weights data/0 are too short: 96 values of 4 bytes are needed, 380 bytes are stored",
    ),
    (
        "short_weights.pt2",
        "fixtures/bad/short_weights.pt2: weight fc1.weight has the shape [12, 8], but only 95 values are stored in the archive",
    ),
    ("state_dict.pt", "fixtures/bad/state_dict.pt is a state dict: weights without a program"),
    ("syntax.pt", "fixtures/bad/syntax.pt: its code does not parse: expected ident but found ')'"),
    (
        "text.pt",
        "fixtures/bad/text.pt is no model: neither TorchScript nor torch.export, both of which are zip archives",
    ),
    (
        "text.pt2",
        "fixtures/bad/text.pt2 is no model: neither TorchScript nor torch.export, both of which are zip archives",
    ),
    (
        "traversal.pt",
        "fixtures/bad/traversal.pt is refused: its member mlp/data/../../../escaped.txt has a path that leads outside the archive",
    ),
    (
        "traversal.pt2",
        "fixtures/bad/traversal.pt2 is refused: its member mlp/data/../../../escaped.txt has a path that leads outside the archive",
    ),
    (
        "traversal_weights.pt2",
        "fixtures/bad/traversal_weights.pt2: weight fc1.weight has its values in \"../../../escaped\", which leads outside the archive's folder of weights",
    ),
    (
        "truncated.pt",
        "fixtures/bad/truncated.pt is a damaged or truncated archive: the list of its members, at its end, is missing",
    ),
    (
        "truncated.pt2",
        "fixtures/bad/truncated.pt2 is a damaged or truncated archive: the list of its members, at its end, is missing",
    ),
    (
        "unknown_archive_format.pt2",
        "fixtures/bad/unknown_archive_format.pt2: it has archive format \"pt9\", this CleanAI reads pt2",
    ),
    (
        "unknown_archive_version.pt2",
        "fixtures/bad/unknown_archive_version.pt2: it has archive version \"999\", this CleanAI reads 0",
    ),
    (
        "unknown_operator.pt",
        "fixtures/bad/unknown_operator.pt calls acme::sharpen, an operator this libtorch does not have, at code/__torch__.py:10",
    ),
    (
        "unknown_operator.pt2",
        "fixtures/bad/unknown_operator.pt2 calls acme::sharpen, an operator this libtorch does not have",
    ),
    (
        "unknown_schema.pt2",
        "fixtures/bad/unknown_schema.pt2: it has export schema version 999 (written by 2.13.0+cu130), this CleanAI reads version 8",
    ),
];

#[test]
fn every_bad_model_gives_one_clear_error() {
    let mut files: Vec<_> = std::fs::read_dir(fixture("bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pt" || extension == "pt2"));
    files.sort();
    assert!(files.len() >= 30);
    let found = files.iter().map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = match Model::open(path, DeviceChoice::Cpu) {
            Err(error) => text(&error),
            Ok(mut model) => {
                let input = Tensor::zeros([2, 8], (Kind::Float, tch::Device::Cpu));
                match model.run(&[&input], &mut |_, _| Ok(())) {
                    Ok(_) => "it runs".to_owned(),
                    Err(error) => format!("run: {}", text(&error)),
                }
            }
        };
        assert!(text.contains("\n  help: "), "{text}");
        (name, text)
    });
    check(found.collect(), MODELS);
    assert!(!root().join("escaped.txt").exists() && !fixture("escaped.txt").exists());
}

/// The error of opening data and reading all of it.
fn data_error(path: &str, on_bad_input: OnBadInput) -> String {
    let location = DataLocation { path: path.to_owned(), root: root() };
    match DataSet::open(&location, &[], on_bad_input) {
        Err(error) => text(&error),
        Ok(set) => {
            let read: Result<Vec<usize>, Error> = set.batches(4).map(|batch| batch.map(|batch| batch.inputs)).collect();
            match read {
                Err(error) => text(&error),
                Ok(inputs) => format!("{} inputs, {} skipped", inputs.iter().sum::<usize>(), set.skipped().len()),
            }
        }
    }
}

const DATA: &[(&str, &str)] = &[
    ("complex.npz", "fixtures/bad/complex.npz: array `x`: it holds elements of type `<c8`"),
    (
        "enormous.npy",
        "fixtures/bad/enormous.npy: it is cut off: its header promises 35184372088832 bytes of data, 128 are there",
    ),
    ("images", "cannot decode image fixtures/bad/images/0/truncated.png: unexpected end of file"),
    (
        "labels_too_few.npz",
        "fixtures/bad/labels_too_few.npz holds 3 labels, but there are 4 inputs in fixtures/bad/labels_too_few.npz",
    ),
    ("no_inputs.npz", "2 inputs, 0 skipped"),
    ("no_rows.npz", "fixtures/bad/no_rows.npz: array `x`: it holds no inputs: its first axis is 0"),
    ("objects.npy", "fixtures/bad/objects.npy: it holds pickled Python objects, which are never loaded"),
    (
        "truncated.npy",
        "fixtures/bad/truncated.npy: it is cut off: its header promises 128 bytes of data, 120 are there",
    ),
];

#[test]
fn every_bad_data_file_gives_one_clear_error() {
    let mut files: Vec<_> = std::fs::read_dir(fixture("bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        path.is_dir() || path.extension().is_some_and(|extension| extension == "npz" || extension == "npy")
    });
    files.sort();
    let found = files.iter().map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = data_error(&format!("fixtures/bad/{name}"), OnBadInput::Fail);
        (name, text)
    });
    check(found.collect(), DATA);
    let skipped = data_error("fixtures/bad/images", OnBadInput::Skip);
    assert_eq!(skipped, "2 inputs, 3 skipped");
}

/// The error of measuring these criteria.
fn measured(case: &Case<'_>, criteria: &[&str], non_finite: NonFinite) -> Result<measure::Measurement, String> {
    let mut declaration = declaration(&root(), case);
    declaration.non_finite = non_finite;
    let specs: Vec<_> = criteria.iter().map(|text| text.parse().unwrap()).collect();
    measure::once(&declaration, &specs).map_err(|error| text(&error))
}

const MEASURED: &[(&str, &str)] = &[
    (
        "rank, traced",
        "fixtures/models/resnet.pt cannot run on an input of shape [2, 8]: Expected 4-dimensional input for 4-dimensional weight [8, 3, 3, 3], but got 2-dimensional input of size [2, 8] instead, at code/__torch__/torch/nn/modules/conv.py:10",
    ),
    (
        "rank, scripted",
        "fixtures/models/resnet.scripted.pt cannot run on an input of shape [2, 8]: Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [2, 8], at code/__torch__/torch/nn/modules/conv/___torch_mangle_73.py:29",
    ),
    (
        "rank, exported",
        "fixtures/models/resnet.pt2 cannot run on an input of shape [2, 8]: it was exported for x of shape [any, 3, 16, 16]",
    ),
    (
        "channels, traced",
        "examples/digits/models/lenet5.pt cannot run on an input of shape [2, 3, 16, 16]: Given groups=1, weight of size [6, 1, 5, 5], expected input[2, 3, 16, 16] to have 1 channels, but got 3 channels instead, at code/__torch__/torch/nn/modules/conv.py:12",
    ),
    (
        "channels, scripted",
        "fixtures/models/lenet5.scripted.pt cannot run on an input of shape [2, 3, 16, 16]: Given groups=1, weight of size [6, 1, 5, 5], expected input[2, 3, 16, 16] to have 1 channels, but got 3 channels instead, at code/__torch__/torch/nn/modules/conv/___torch_mangle_19.py:29",
    ),
    (
        "channels, exported",
        "examples/digits/models/lenet5.pt2 cannot run on an input of shape [2, 3, 16, 16]: it was exported for x of shape [any, 1, 28, 28]",
    ),
    ("nan, pt", "layer fc, neuron 0, input root_one_negative.npz:x[5]: the activation is NaN"),
    ("nan, scripted.pt", "layer fc, neuron 0, input root_one_negative.npz:x[5]: the activation is NaN"),
    ("nan, pt2", "layer fc, neuron 0, input root_one_negative.npz:x[5]: the activation is NaN"),
    ("no labels", "accuracy needs labels, and TMP/x.npy has none"),
    ("no profile", "kmnc needs ranges from a profile set, and the data names none"),
    ("one input, ss", "`ss` compares two inputs, and there are fewer"),
    ("one input, vv", "vv(distance=0.1,pairs=\"consecutive\"): `vv` compares two inputs, and there are fewer"),
    (
        "too large a k, tknc",
        "tknc(k=20): `tknc` looks at the 20 most active neurons of a layer, and the widest, relu, has 12",
    ),
    (
        "too large a k, tknp",
        "tknp(k=20): `tknp` looks at the 20 most active neurons of a layer, and the widest, relu, has 12",
    ),
    (
        "no such layer",
        "nc(layers=\"layer1.0.rely\"): layer selector layer1.0.rely matches no layer of fixtures/models/resnet.pt",
    ),
    (
        "no such class",
        "nc(layers=\"class:Conv2D\"): layer selector class:Conv2D matches no layer of fixtures/models/resnet.pt",
    ),
    ("no logits", "nc(layers=\"logits\"): layer selector logits matches no layer of fixtures/models/concat.pt"),
    ("no model", "fixtures/models/resnt.pt does not exist"),
];

#[test]
fn what_does_not_fit_together_is_named() {
    let resnet = ["fixtures/models/resnet.pt", "fixtures/models/resnet.scripted.pt", "fixtures/models/resnet.pt2"];
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("x.npy");
    // (4, 8) float32 zeros, no labels.
    let mut bytes = b"\x93NUMPY\x01\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (4, 8), }".to_vec();
    bytes.resize(127, b' ');
    bytes.push(b'\n');
    bytes.resize(128 + 128, 0);
    std::fs::write(&location, &bytes).unwrap();
    let unlabelled = location.to_str().unwrap();
    let data = "fixtures/data/resnet_test.npz";
    let negative = "fixtures/data/root_one_negative.npz";
    fn case<'a>(model: &'a str, profile: Option<&'a str>, test: &'a str) -> Case<'a> {
        Case { model, profile, test, transform: "[]" }
    }
    let mut found = Vec::new();
    let mut add = |name: &str, case: &Case<'_>, criteria: &[&str]| {
        let text = measured(case, criteria, NonFinite::Error).expect_err(name);
        assert!(text.contains("\n  help: "), "{text}");
        found.push((name.to_owned(), text.replace(&folder.path().display().to_string(), "TMP")));
    };
    for (form, model) in ["traced", "scripted", "exported"].into_iter().zip(resnet) {
        add(&format!("rank, {form}"), &case(model, None, unlabelled), &["nc"]);
    }
    for (form, model) in ["traced", "scripted", "exported"].into_iter().zip([
        "examples/digits/models/lenet5.pt",
        "fixtures/models/lenet5.scripted.pt",
        "examples/digits/models/lenet5.pt2",
    ]) {
        add(&format!("channels, {form}"), &case(model, None, data), &["nc"]);
    }
    for form in ["pt", "scripted.pt", "pt2"] {
        add(&format!("nan, {form}"), &case(&format!("fixtures/models/root.{form}"), None, negative), &["nc"]);
    }
    add("no labels", &case("fixtures/models/mlp.pt", None, unlabelled), &["accuracy"]);
    add("no profile", &case("fixtures/models/mlp.pt", None, unlabelled), &["kmnc"]);
    let one = format!("{unlabelled}#0..1");
    add("one input, ss", &case("fixtures/models/mlp.pt", None, &one), &["ss"]);
    add("one input, vv", &case("fixtures/models/mlp.pt", None, &one), &["vv(distance=0.1, pairs=\"consecutive\")"]);
    add("too large a k, tknc", &case("fixtures/models/mlp.pt", None, unlabelled), &["tknc(k=20)"]);
    add("too large a k, tknp", &case("fixtures/models/mlp.pt", None, unlabelled), &["nc", "tknp(k=20)"]);
    add("no such layer", &case(resnet[0], None, data), &["nc(layers=\"layer1.0.rely\")"]);
    add("no such class", &case(resnet[0], None, data), &["nc(layers=\"class:Conv2D\")"]);
    add(
        "no logits",
        &case("fixtures/models/concat.pt", None, "fixtures/data/resnet_test.npz"),
        &["nc(layers=\"logits\")"],
    );
    add("no model", &case("fixtures/models/resnt.pt", None, data), &["nc"]);
    check(found, MEASURED);
}

#[test]
fn activations_that_are_no_numbers_are_counted_if_asked() {
    for form in ["pt", "scripted.pt", "pt2"] {
        let model = format!("fixtures/models/root.{form}");
        let case = Case { model: &model, profile: None, test: "fixtures/data/root_one_negative.npz", transform: "[]" };
        let measured = measured(&case, &["nc"], NonFinite::Ignore).unwrap();
        assert!(measured.settings.non_finite_skipped > 0, "{form}");
        assert_eq!(measured.data.inputs, 8);
    }
}

/// A small generator of reproducible numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

/// Flips, cuts, repeats or replaces a few bytes.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(6) {
            _ if bytes.is_empty() => bytes.push(0),
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..(at + 1 + random.below(8)).min(bytes.len()))),
            2 => {
                let end = (at + 1 + random.below(40)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 => bytes[at] = random.below(256) as u8,
            4 => bytes[at] ^= 1 << random.below(8),
            _ => {
                // A digit becomes another: sizes, indices, versions.
                if let Some(digit) = bytes[at..].iter_mut().find(|byte| byte.is_ascii_digit()) {
                    *digit = b'0' + random.below(10) as u8;
                }
            }
        }
    }
}

/// Opens what may be anything, and runs it if it opens.
fn open_anything(path: &Path, shape: &[i64]) -> bool {
    match Model::open(path, DeviceChoice::Cpu) {
        Ok(mut model) => {
            let input = Tensor::ones(shape, (Kind::Float, tch::Device::Cpu));
            if let Err(error) = model.run(&[&input], &mut |_, _| Ok(())) {
                assert!(!error.what().contains("frame #"), "{error}");
            }
            true
        }
        Err(error) => {
            assert!(
                !error.what().contains('\n') && !error.what().contains("frame #") && error.what().len() < 2000,
                "{error}"
            );
            false
        }
    }
}

const ANYTHING: &[(&str, &[i64])] =
    &[("mlp.pt", &[2, 8]), ("root.scripted.pt", &[2, 3]), ("mlp.pt2", &[2, 8]), ("in_place.pt2", &[2, 2, 8, 8])];

fn rounds() -> u64 {
    std::env::var("CLEANAI_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

#[test]
fn no_damage_to_a_file_crashes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, shape) in ANYTHING {
        let whole = std::fs::read(fixture("models").join(name)).unwrap();
        for seed in 0..rounds() {
            let mut bytes = whole.clone();
            damage(&mut bytes, &mut Random(seed));
            let path = folder.path().join(name);
            std::fs::write(&path, &bytes).unwrap();
            open_anything(&path, shape);
        }
    }
}

/// A copy of an archive in which one member is changed; its checksum is right again.
fn rewritten(whole: &[u8], member: usize, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut source = zip::ZipArchive::new(Cursor::new(whole)).unwrap_or_else(|_| {
        let config = zip::read::Config { archive_offset: zip::read::ArchiveOffset::Known(0) };
        zip::ZipArchive::with_config(config, Cursor::new(whole)).unwrap()
    });
    let mut target = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut change = Some(change);
    for index in 0..source.len() {
        let mut entry = source.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if index == member
            && let Some(change) = change.take()
        {
            change(&mut bytes);
        }
        target.start_file(String::from_utf8(entry.name_raw().to_vec()).unwrap(), options).unwrap();
        target.write_all(&bytes).unwrap();
    }
    target.finish().unwrap().into_inner()
}

/// Opens `root.scripted.pt` with a text of the member that ends in `member` replaced.
fn edited(member: &str, old: &[u8], new: &[u8]) -> Result<Model, Error> {
    let whole = std::fs::read(fixture("models/root.scripted.pt")).unwrap();
    let archive = zip::ZipArchive::new(Cursor::new(&whole)).unwrap();
    let index = archive.file_names().position(|name| name.unwrap().ends_with(member)).unwrap();
    let changed = rewritten(&whole, index, |bytes| {
        let at = bytes.windows(old.len()).position(|window| window == old).expect("the text to replace");
        bytes.splice(at..at + old.len(), new.iter().copied());
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.pt");
    std::fs::write(&path, changed).unwrap();
    let place = format!("{}/", folder.path().display());
    Model::open(&path, DeviceChoice::Cpu).map_err(|error| Error::new(error.kind(), error.what().replace(&place, "")))
}

fn refused(member: &str, old: &[u8], new: &[u8]) -> String {
    edited(member, old, new).expect_err("it opens").what().to_owned()
}

#[test]
fn inputs_and_outputs_of_other_kinds_are_named_or_work() {
    let code = "networks/___torch_mangle_160.py";
    let input = || Tensor::ones([4, 3], (Kind::Float, tch::Device::Cpu));
    let mut two = edited(code, b"x: Tensor)", b"x: Tensor, y: Tensor)").unwrap();
    let error = two.run(&[&input()], &mut |_, _| Ok(())).unwrap_err();
    assert!(error.what().ends_with("the data lacks the model's input `y`: it has x"), "{error}");
    assert!(two.run(&[&input(), &input()], &mut |_, _| Ok(())).is_ok(), "a caller may feed both");
    let mut list = edited(code, b"x: Tensor) -> Tensor:\n", b"x: List[Tensor]) -> Tensor:\n    x = x[0]\n").unwrap();
    assert!(list.run(&[&input()], &mut |_, _| Ok(())).is_ok(), "a list of one");
    let mut number = edited(code, b"x: Tensor) -> Tensor:\n", b"x: Tensor, n: int) -> Tensor:\n").unwrap();
    let error = number.run(&[&input()], &mut |_, _| Ok(())).unwrap_err();
    assert!(error.what().contains("takes `n`, of type int, without a default; only tensors can be fed"), "{error}");
    let old = b"-> Tensor:\n    fc = self.fc\n    same = self.same\n    _0 = (fc).forward(torch.sqrt((same).forward(x, )), )\n    return _0";
    let new = b"-> Tuple[Tensor, Tensor]:\n    fc = self.fc\n    return ((fc).forward(x, ), x)";
    let mut tuple = edited(code, old, new).unwrap();
    assert_eq!(tuple.layers().len(), 1);
    assert_eq!(tuple.run(&[&input()], &mut |_, _| Ok(())).unwrap().len(), 2);
}

#[test]
fn what_libtorch_would_trust_is_refused() {
    let code = "networks/___torch_mangle_160.py";
    let nested = format!("torch.sqrt({}x{}", "(".repeat(1000), ")".repeat(1000));
    assert_eq!(
        refused(code, b"torch.sqrt(", nested.as_bytes()),
        "root.pt: code/__torch__/networks/___torch_mangle_160.py nests more than 200 deep"
    );
    assert_eq!(
        refused(code, b"    fc = self.fc\n", b"    torch.save(x, \"escaped.pt\")\n    fc = self.fc\n"),
        "root.pt: code/__torch__/networks/___torch_mangle_160.py calls torch.save, which reaches for files outside the model"
    );
    // A storage of 3 * 3 numbers that claims to be one of 255.
    assert_eq!(
        refused("root.scripted/data.pkl", b"K\x09t", b"K\xfft"),
        "root.pt: the weights data/0 are too short: 255 values of 4 bytes are needed, 36 bytes are stored"
    );
    // Its first row is three numbers long; now the rows begin 255 numbers apart.
    let view = refused("root.scripted/data.pkl", b"(K\x03K\x01t", b"(K\xffK\x01t");
    assert_eq!(
        view,
        "root.pt: a tensor of shape [3, 3] with strides [255, 1] from 0 lies outside its 9 weights data/0"
    );
}

#[test]
fn no_damage_inside_an_archive_crashes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, shape) in ANYTHING {
        let whole = std::fs::read(fixture("models").join(name)).unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, rewritten(&whole, usize::MAX, |_| {})).unwrap();
        assert!(open_anything(&path, shape), "{name}: a copy opens");
        let mut opened = 0;
        for seed in 0..rounds() {
            let mut random = Random(seed ^ 0xdead_beef);
            let member = random.below(21);
            std::fs::write(&path, rewritten(&whole, member, |bytes| damage(bytes, &mut random))).unwrap();
            if std::env::var_os("CLEANAI_FUZZ_SHOWS").is_some() {
                eprintln!("{name} seed {seed} member {member}");
            }
            opened += usize::from(open_anything(&path, shape));
        }
        assert!(opened > 0, "{name}: no change of a weight was survived; the test changes nothing that is read");
    }
}
