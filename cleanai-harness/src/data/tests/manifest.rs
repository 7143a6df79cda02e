//! Manifests: the same inputs as the data they are of, what they may say, and what is refused.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use proptest::prelude::*;
use zip::CompressionMethod::Deflated;

use super::{batches, gzip, idx, npy, open, open_with, refusal, values, zipped};
use crate::data::DataSet;
use crate::declare::OnBadInput;

fn place(root: &Path, names: &[&str]) {
    for (index, name) in names.iter().enumerate() {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let image = GrayImage::from_fn(3, 2, |x, y| Luma([(index as u32 * 10 + x * 3 + y) as u8]));
        image.save_with_format(path, image::ImageFormat::Png).unwrap();
    }
}

fn names(data: &DataSet) -> Vec<String> {
    (0..data.len()).map(|index| data.names(index)).collect()
}

/// Writes these inputs of a set as a manifest, reads it, and compares all there is.
fn round_trip(root: &Path, data: &str, steps: &str, inputs: &[usize], file: &str) -> DataSet {
    let set = open(root, data, steps).unwrap();
    let path = root.join(file);
    let columns = [("rank", inputs.iter().map(usize::to_string).collect())];
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, set.manifest(inputs, &columns, &path).unwrap()).unwrap();
    let listed = open(root, file, steps).unwrap();
    assert_eq!(listed.len(), inputs.len());
    let shapes =
        |set: &DataSet| set.fields().iter().map(|field| (field.shape.clone(), field.integer)).collect::<Vec<_>>();
    assert_eq!(shapes(&listed), shapes(&set), "{data}");
    let all = batches(&set, set.len()).remove(0);
    let listed_all = batches(&listed, listed.len()).remove(0);
    for (own, original) in listed_all.fields.iter().zip(&all.fields) {
        let width = own.shape.iter().product::<usize>();
        let (own, original) = (own.values.to_floats(), original.values.to_floats());
        let expected: Vec<f32> =
            inputs.iter().flat_map(|input| original[input * width..(input + 1) * width].to_vec()).collect();
        assert_eq!(own.as_ref(), expected, "{data}");
    }
    let labels = |input: &usize| set.labels().map(|labels| labels[*input]);
    assert_eq!(listed.labels().map(<[i64]>::to_vec), inputs.iter().map(labels).collect::<Option<Vec<_>>>());
    for label in listed.labels().into_iter().flatten() {
        assert_eq!(listed.class(*label), set.class(*label), "{data}: class {label}");
    }
    listed
}

#[test]
fn images_are_the_same_from_any_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    place(root, &["test/cat/1.png", "test/cat/a, \"b\".png", "test/dog/1.png", "test/owl/1.png"]);
    for file in ["selected.csv", "test/selected.csv", "test/dog/x.csv", "other/deep/selected.csv"] {
        let listed = round_trip(root, "test", "[{ resize = [5, 4] }]", &[3, 1, 0], file);
        assert_eq!(listed.labels(), Some(&[2, 0, 0][..]));
        assert_eq!(listed.classes().unwrap(), ["cat", "owl"]);
        assert_eq!((listed.class(1), listed.class(2)), (None, Some("owl")));
    }
    let listed = open(root, "other/deep/selected.csv", "[]").unwrap();
    assert_eq!(names(&listed), ["../../test/owl/1.png", "../../test/cat/a, \"b\".png", "../../test/cat/1.png"]);
    assert_eq!(fs::read_to_string(root.join("selected.csv")).unwrap().lines().next(), Some("input,label,class,rank"));
    // A part of it, and a manifest made of a manifest.
    assert_eq!(names(&open(root, "selected.csv#1..3", "[]").unwrap())[1], "test/cat/1.png");
    round_trip(root, "selected.csv#1..3", "[]", &[1], "other/again.csv");
    round_trip(root, "other/deep/selected.csv", "[]", &[2, 0], "third.csv");
    assert_eq!(names(&open(root, "third.csv", "[]").unwrap()), ["test/cat/1.png", "test/owl/1.png"]);
    // Names of folders that are numbers with gaps.
    place(root, &["numbers/10/1.png", "numbers/2/1.png", "numbers/07/1.png"]);
    let listed = round_trip(root, "numbers", "[]", &[0, 1], "numbers.csv");
    assert_eq!((listed.class(7), listed.class(10)), (Some("07"), Some("10")));
    // Without labels there is no column of them.
    place(root, &["flat/1.png", "flat/2.png"]);
    round_trip(root, "flat", "[]", &[1], "flat.csv");
    assert_eq!(fs::read_to_string(root.join("flat.csv")).unwrap(), "input,rank\nflat/2.png,1\n");
}

#[test]
fn arrays_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let floats: Vec<u8> = (0..24).flat_map(|at| (at as f32 / 7.0).to_le_bytes()).collect();
    fs::write(root.join("x.npy"), npy("<f4", false, "(4, 2, 3)", &floats)).unwrap();
    fs::write(root.join("labels.npy"), npy("<i8", false, "(4,)", &[5i64, -6, 7, 8].map(i64::to_le_bytes).concat()))
        .unwrap();
    let digits: Vec<u8> = (0..5 * 6).collect();
    fs::write(root.join("t10k-images-idx3-ubyte.gz"), gzip(&idx(&[5, 2, 3], &digits))).unwrap();
    fs::write(root.join("t10k-labels-idx1-ubyte.gz"), gzip(&idx(&[5], &[9, 8, 7, 6, 5]))).unwrap();
    let tokens = npy("<i4", false, "(4, 2)", &[7i32, 1, -2, 3, 4, 5, 6, 8].map(i32::to_le_bytes).concat());
    let y = npy("<i8", false, "(4,)", &[1i64, 2, 3, 4].map(i64::to_le_bytes).concat());
    let both =
        [("x.npy", npy("<f4", false, "(4, 2, 3)", &floats)), ("tokens.npy", tokens.clone()), ("y.npy", y.clone())];
    fs::write(root.join("both.npz"), zipped(&both, Deflated)).unwrap();
    fs::write(root.join("tokens.npz"), zipped(&[("ids.npy", tokens), ("y.npy", y)], Deflated)).unwrap();

    let listed = round_trip(root, "x.npy", "[]", &[3, 0], "plain.csv");
    assert_eq!(names(&listed), ["x.npy[3]", "x.npy[0]"]);
    assert_eq!(round_trip(root, "x.npy,labels.npy", "[]", &[1, 2], "labelled.csv").labels(), Some(&[-6, 7][..]));
    let listed = round_trip(root, "t10k-images-idx3-ubyte.gz#1..4", "[\"scale\"]", &[2, 0], "idx/few.csv");
    assert_eq!(names(&listed), ["../t10k-images-idx3-ubyte.gz[3]", "../t10k-images-idx3-ubyte.gz[1]"]);
    assert_eq!(listed.labels(), Some(&[6, 8][..]));
    assert_eq!(names(&round_trip(root, "both.npz", "[]", &[2, 3], "both.csv")), ["both.npz[2]", "both.npz[3]"]);
    let listed = round_trip(root, "tokens.npz", "[]", &[3, 1], "tokens.csv");
    assert_eq!(names(&listed), ["tokens.npz:ids[3]", "tokens.npz:ids[1]"]);

    // Labels of the files where the manifest has no column of its own; where it has, its own.
    let write = |text: &str| fs::write(root.join("own.csv"), text).unwrap();
    write("input\ntokens.npz[3]\n./tokens.npz:ids[0]\n");
    let own = open(root, "own.csv", "[]").unwrap();
    assert_eq!((own.labels(), own.class(4)), (Some(&[4, 1][..]), None));
    assert_eq!(names(&own), ["tokens.npz:ids[3]", "tokens.npz:ids[0]"]);
    write("label,input\n-3,t10k-images-idx3-ubyte.gz[4]\n");
    assert_eq!(open(root, "own.csv", "[]").unwrap().labels(), Some(&[-3][..]));
    // Inputs of several files, of which not all have labels.
    write("input\nt10k-images-idx3-ubyte.gz[0]\nimages/1.png\n");
    place(root, &["images/1.png"]);
    let several = open(root, "own.csv", "[]").unwrap();
    assert_eq!((several.labels(), several.shape()), (None, &[1, 2, 3][..]));
    assert_eq!(names(&several), ["t10k-images-idx3-ubyte.gz[0]", "images/1.png"]);
    assert_eq!(values(&several, 2)[6..], values(&open(root, "images", "[]").unwrap(), 1));
    // A file whose name looks like a position.
    place(root, &["images/photo[3]"]);
    write("input\nimages/photo[3]\n");
    assert_eq!(open(root, "own.csv", "[]").unwrap().len(), 1);
}

#[test]
fn labels_are_numbers_or_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    place(root, &["1.png", "2.png", "3.png"]);
    let write = |text: &str| fs::write(root.join("own.csv"), text).unwrap();
    let own = || open(root, "own.csv", "[]").unwrap();
    write("\u{feff}input , label,note\n1.png, owl ,x\n2.png,cat,\n3.png,owl,\"a\nb\"\n");
    assert_eq!(
        (own().labels(), own().classes().unwrap()),
        (Some(&[1, 0, 1][..]), &["cat".to_owned(), "owl".to_owned()][..])
    );
    write("input,label,class\n1.png,5,owl\n2.png,-1,cat\n");
    assert_eq!((own().labels(), own().class(5), own().class(-1)), (Some(&[5, -1][..]), Some("owl"), Some("cat")));
    write("input,label,class\n1.png,5,\n2.png,6,\n");
    assert_eq!((own().labels(), own().classes()), (Some(&[5, 6][..]), None));
    write("input,label\n1.png,\n2.png,\n");
    assert_eq!(own().labels(), None);
    // One name among numbers makes them all names.
    write("input,label\n1.png,5\n2.png,five\n");
    assert_eq!((own().labels(), own().class(0)), (Some(&[0, 1][..]), Some("5")));
    // Windows' line ends, and no end of the last line.
    write("input,label\r\n1.png,5\r\n2.png,6");
    assert_eq!(own().labels(), Some(&[5, 6][..]));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    place(root, &["1.png", "2.png", "images/1.png"]);
    fs::write(root.join("x.npy"), npy("<f4", false, "(3, 2)", &[0; 24])).unwrap();
    fs::write(root.join("ids.npy"), npy("<i4", false, "(3, 2)", &[0; 24])).unwrap();
    let y = ("y.npy", npy("<i8", false, "(3,)", &[0; 24]));
    fs::write(root.join("x.npz"), zipped(&[("ids.npy", npy("<i4", false, "(3, 2)", &[0; 24])), y], Deflated)).unwrap();
    let two = ["a.npy", "b.npy"].map(|name| (name, npy("<f4", false, "(3, 2)", &[0; 24])));
    fs::write(root.join("two.npz"), zipped(&two, Deflated)).unwrap();
    fs::write(root.join("text"), "neither image nor array").unwrap();
    fs::write(root.join("other.csv"), "input\n1.png\n").unwrap();
    let shown = root.display().to_string();
    for (text, what, help) in [
        (
            "name,label\n1.png,3\n",
            "ROOT/m.csv: its header has no column `input`",
            "a manifest is a CSV file with a header and a column `input`",
        ),
        ("inputs\n1.png\n", "ROOT/m.csv: its header has no column `input`", "rename the column `inputs` to `input`"),
        (
            "input;label\n1.png;3\n",
            "ROOT/m.csv: its header has no column `input`",
            "separate columns with commas, not semicolons",
        ),
        ("input,input\n1.png,2.png\n", "ROOT/m.csv: its header has two columns `input`", ""),
        ("input\n", "ROOT/m.csv: it lists no inputs", "it has a header and no row below it"),
        (
            "input,label\n1.png,3\n2.png\n",
            "ROOT/m.csv: line 3 has 1 field, and the header 2 columns",
            "put text with commas into double quotes",
        ),
        ("input,label\n1.png,3\n,4\n", "ROOT/m.csv, line 3: the column `input` is empty", ""),
        ("input\n1.png\n3.png\n", "ROOT/m.csv, line 3: ROOT/3.png does not exist", "did you mean ROOT/1.png?"),
        ("input\nimages\n", "ROOT/m.csv, line 2: ROOT/images is a folder", "list the images in it, one in each row"),
        ("input\n1.png\n2.png\n1.png\n", "ROOT/m.csv, line 4: it names the same input as line 2", ""),
        ("input\nx.npz[1]\nx.npz:ids[1]\n", "ROOT/m.csv, line 3: it names the same input as line 2", ""),
        (
            "input\n/1.png\n",
            "ROOT/m.csv, line 2: `/1.png` is an absolute path, which holds on one machine only",
            "write the path from the manifest's own folder, ROOT; `..` leads upwards",
        ),
        ("input\n\"1\n.png\"\n", "ROOT/m.csv, line 2: the path `1\\n.png` has a control character", ""),
        ("input\nx.npy\n", "ROOT/m.csv, line 2: ROOT/x.npy is a file of many inputs", "say which one: `x.npy[0]`"),
        ("input\nother.csv\n", "ROOT/m.csv, line 2: ROOT/other.csv is a manifest itself", "list its inputs here"),
        ("input\nother.csv[0]\n", "ROOT/m.csv, line 2: ROOT/other.csv is a manifest itself", ""),
        ("input\nimages[0]\n", "ROOT/m.csv, line 2: ROOT/images is a folder, not an array file", ""),
        (
            "input\nx.npy[0]\nx.npy[3]\nx.npy[1]\n",
            "ROOT/m.csv, line 3: ROOT/x.npy: there is no [3]: it holds 3 inputs",
            "positions count from 0",
        ),
        (
            "input\nx.npy[99999999999999999999]\n",
            "ROOT/m.csv, line 2: the position [99999999999999999999] is too large",
            "",
        ),
        ("input\ny.npy[0]\n", "ROOT/m.csv, line 2: ROOT/y.npy does not exist", "did you mean ROOT/x.npy?"),
        ("input\nx.npz:xx[0]\n", "ROOT/m.csv, line 2: ROOT/x.npz has no array `xx`", "its array is `ids`"),
        ("input\nx.npy:x[0]\n", "ROOT/m.csv, line 2: ROOT/x.npy is a single array without a name", "leave out `:x`"),
        (
            "input\ntwo.npz:a[0]\n",
            "ROOT/m.csv, line 2: ROOT/two.npz has the arrays `a` and `b`, which are one input together",
            "leave out `:a`",
        ),
        (
            "input\nx.npy[0]\nids.npy[0]\n",
            "ROOT/m.csv: its inputs are of different kinds: x.npy[0] and ids.npy[0]",
            "all have the same arrays, whole numbers or not, or are images",
        ),
        (
            "input,label\n1.png,3\n2.png,\n",
            "ROOT/m.csv, line 3: it has no `label`, and line 2 has one",
            "give every row a label, or none",
        ),
        (
            "input,class\n1.png,owl\n",
            "ROOT/m.csv, line 2: it has a `class` and no `label`",
            "put names into the column `label`, or numbers there beside them",
        ),
        (
            "input,label,class\n1.png,3,owl\n2.png,x,cat\n",
            "ROOT/m.csv, line 3: the label `x` is no whole number",
            "beside a column `class` labels are numbers",
        ),
        (
            "input,label,class\n1.png,3,owl\n2.png,3,cat\n",
            "ROOT/m.csv, line 3: label 3 is the class `cat` here and `owl` in line 2",
            "a label has one name",
        ),
        (
            "input,label,class\n1.png,3,owl\n2.png,4,owl\n",
            "ROOT/m.csv, line 3: the class `owl` has label 4 here and 3 before",
            "a class has one label",
        ),
    ] {
        fs::write(root.join("m.csv"), text).unwrap();
        let error = refusal(root, "m.csv", "[]");
        assert_eq!(error.what().replace(&shown, "ROOT"), what);
        let said = error.help().unwrap_or_default().replace(&shown, "ROOT");
        assert!(
            if help.is_empty() { said.is_empty() || what.contains("manifest itself") } else { said.starts_with(help) },
            "{what}: {said}"
        );
    }
    fs::write(root.join("m.csv"), "").unwrap();
    assert_eq!(refusal(root, "m.csv", "[]").what().replace(&shown, "ROOT"), "ROOT/m.csv is empty");
    fs::write(root.join("m.csv"), b"input\n\xff.png\n").unwrap();
    assert_eq!(refusal(root, "m.csv", "[]").what().replace(&shown, "ROOT"), "ROOT/m.csv: line 2 is not UTF-8");
    fs::write(root.join("m.csv"), "input\n1.png\n").unwrap();
    let error = refusal(root, "m.csv,x.npy", "[]");
    assert_eq!(error.what().replace(&shown, "ROOT"), "ROOT/m.csv: a manifest takes no file of labels");
    assert!(refusal(root, "m.csv#0..2", "[]").what().contains("reaches past the end: there are 1 input"));
    // The same text under another name is no data.
    fs::write(root.join("m.txt"), "input\n1.png\n").unwrap();
    assert!(refusal(root, "m.txt", "[]").what().contains("is no data file that is known"));
}

#[test]
fn what_is_no_image_fails_or_is_skipped_as_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    place(root, &["a/1.png", "a/2.png"]);
    fs::write(root.join("a/0.png"), "no image").unwrap();
    fs::write(root.join("m.csv"), "input,label\na/1.png,1\na/0.png,2\na/2.png,3\n").unwrap();
    let error = open(root, "m.csv", "[]").unwrap().batches(3).find_map(Result::err).unwrap();
    assert!(error.what().contains("cannot decode image") && error.what().contains("a/0.png"), "{error}");
    let data = open_with(root, "m.csv", "[]", OnBadInput::Skip).unwrap();
    let batch = batches(&data, 3).remove(0);
    assert_eq!((batch.inputs, batch.labels), (2, Some(vec![1, 3])));
    assert_eq!((data.names(1), data.skipped()[0].name.as_str()), ("a/2.png".to_owned(), "a/0.png"));
    // What batches count as the second is the third row.
    let text = String::from_utf8(data.manifest(&[1], &[], &root.join("b.csv")).unwrap()).unwrap();
    assert_eq!(text, "input,label\na/2.png,3\n");
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_astray() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    place(root, &["store/set/0/1.png", "store/deep/below/x/2.png"]);
    fs::create_dir(root.join("work")).unwrap();
    symlink("../store/set", root.join("work/test")).unwrap();
    // Where nothing leads upwards the link is kept.
    let set = open(&root.join("work"), "test", "[]").unwrap();
    let text = |file: &str| String::from_utf8(set.manifest(&[0], &[], &root.join(file)).unwrap()).unwrap();
    assert_eq!(text("work/a.csv").lines().last().unwrap(), "test/0/1.png,0,0");
    // A folder that is a link lies elsewhere than it seems to.
    symlink("../store/deep/below", root.join("work/out")).unwrap();
    assert_eq!(text("work/out/a.csv").lines().last().unwrap(), "../../set/0/1.png,0,0");
    assert_eq!(text("work/out/new/a.csv").lines().last().unwrap(), "../../../set/0/1.png,0,0");
    round_trip(root, "work/test", "[]", &[0], "work/out/a.csv");
    // What is listed is a file: a pipe would never end.
    let pipe = root.join("pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        fs::write(root.join("m.csv"), "input\npipe.png\n").unwrap();
        assert!(refusal(root, "m.csv", "[]").what().ends_with("pipe.png is neither a file nor a folder"));
    }
}

#[test]
fn the_hash_is_of_what_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    place(root, &["a/0/1.png", "a/1/2.png", "a/1/3.png"]);
    fs::write(root.join("x.npy"), npy("|u1", false, "(3, 2)", &[1, 2, 3, 4, 5, 6])).unwrap();
    let hash = |path: &str| open(root, path, "[]").unwrap().content_hash().unwrap();
    let write = |text: &str| fs::write(root.join("m.csv"), text).unwrap();
    write("input,label\na/0/1.png,0\na/1/2.png,1\na/1/3.png,1\n");
    assert_eq!(hash("m.csv"), hash("a"), "the same images and labels in the same order");
    write("input,label\na/1/2.png,1\na/0/1.png,0\na/1/3.png,1\n");
    assert_ne!(hash("m.csv"), hash("a"));
    write("input\nx.npy[0]\nx.npy[2]\n");
    let first = hash("m.csv");
    write("input,rank\nx.npy[0],7\nx.npy[2],8\n");
    assert_eq!(hash("m.csv"), first);
    write("input\nx.npy[0]\nx.npy[1]\n");
    assert_ne!(hash("m.csv"), first);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a manifest says, it is an error that names it, or inputs that can be read; never a panic.
    #[test]
    fn any_text_is_an_error_or_inputs(text in "(input|label|class|[,\"\r\n;\u{0}\u{feff}.:/#-]|\\[|\\]|[0-9]|1\\.png|x\\.npy|\\.\\.){0,30}", header in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        place(folder.path(), &["1.png"]);
        fs::write(folder.path().join("x.npy"), npy("<f4", false, "(3, 2)", &[0; 24])).unwrap();
        let header = if header { "input,label\n" } else { "" };
        fs::write(folder.path().join("m.csv"), format!("{header}{text}")).unwrap();
        match open(folder.path(), "m.csv", "[]") {
            // An image and a row of an array may differ in shape.
            Ok(data) => data.batches(2).flatten().for_each(|batch| assert_eq!((batch.size, batch.fields.len()), (2, 1))),
            Err(error) => prop_assert!(error.what().contains("m.csv"), "{}", error),
        }
    }
}
