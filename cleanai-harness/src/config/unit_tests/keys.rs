//! What is said of every wrong key and value, table by table.

use super::parts;

/// A file, what is wrong, the marked text, and the help where that is part of it.
type Wrong = (&'static str, &'static str, &'static str, Option<&'static str>);

#[track_caller]
fn check(all: &[Wrong]) {
    for (text, what, marked, help) in all {
        let found = parts(text);
        assert_eq!((found.0.as_str(), found.1.as_str()), (*what, *marked), "{text}");
        if help.is_some() {
            assert_eq!(found.2.as_deref(), *help, "{text}");
        }
    }
}

#[test]
fn names_of_tables() {
    check(&[
        ("[model.a]", "unknown key `model` at the top", "model", Some("did you mean `models`?")),
        (
            "[models]\npath = 'a.pt'",
            "`path` in [models] must be a table",
            "path",
            Some("write [models.NAME] and its keys below"),
        ),
        ("models = 3", "[models] must be a table, not a whole number", "3", None),
        ("[[report]]", "[report] must be a table, not a list", "[[report]]", None),
        ("[models.'']\npath='a'", "a name in [models] is empty", "''", None),
    ]);
}

#[test]
fn models() {
    check(&[
        ("[models.a]\npath = 3", "`path` in [models.a] must be a string, not a whole number", "3", None),
        ("[models.a]\npath = ' '", "`path` in [models.a] is empty", "' '", None),
        ("[models.'a b']\npath = []", "`path` in [models.\"a b\"] must be a string, not a list", "[]", None),
        (
            "[models.a]\npath='a'\ndevice='gpu'",
            "`device` in [models.a]: unknown device `gpu`",
            "'gpu'",
            Some("a GPU is `cuda`, or `cuda:1` for the second"),
        ),
    ]);
}

#[test]
fn data() {
    check(&[
        ("[data.a]\nprofile='a'", "[data.a] lacks `test`", "[data.a]", Some("add `test = \"data/test\"`")),
        (
            "[data.a]\ntest='a'\non_bad_input='skp'",
            "`on_bad_input` in [data.a] cannot be `skp`",
            "'skp'",
            Some("did you mean `skip`?"),
        ),
        (
            "[data.a]\ntest='a'\ntransform='grayscale'",
            "`transform` in [data.a] must be a list, not a string",
            "'grayscale'",
            None,
        ),
    ]);
}

#[test]
fn tests_and_defaults() {
    check(&[
        ("[defaults]\nzeta = 1\nalpha = 1", "unknown key `zeta` in [defaults]", "zeta", None),
        (
            "[tests.a]\ndata='a'",
            "`data` in [tests.a] names no data: there is no [data.a]",
            "'a'",
            Some("add it: [data.a] with `test = \"data/test\"`"),
        ),
        (
            "[tests.a]\nrequire='nc >= 0.4'",
            "`require` in [tests.a] must be a list",
            "'nc >= 0.4'",
            Some("write `require = [\"nc >= 0.4\"]`"),
        ),
        ("[tests.a]\nrequire=3", "`require` in [tests.a] must be a list of strings", "3", None),
        (
            "[tests.a]\nrequire=[0.4]",
            "an element of `require` in [tests.a] must be a string, not a number",
            "0.4",
            None,
        ),
        (
            "[tests.a]\nrequire=[\"nc >= high\"]",
            "an element of `require` in [tests.a]: expected a number, `baseline` or `against` after `>=`, found `high`",
            "high",
            None,
        ),
        (
            "[tests.a]\nrequire=['nc >= 40']",
            "`nc >= 40` can never hold: a share is never above 1",
            "'nc >= 40'",
            Some("40 % is `nc >= 0.4`"),
        ),
        (
            "[defaults]\nrequire=['nc >= 0.5', 'nac >= 0.1', 'nc < 0.4']",
            "`nc < 0.4` contradicts `nc >= 0.5` (cleanai.toml:2): no figure meets both",
            "'nc < 0.4'",
            Some("remove one, or swap the bounds: `nc >= 0.4` and `nc < 0.5`"),
        ),
        (
            "[tests.a]\nrequire=['per_class(min) >= 0.5', 'nc >= 0.1']",
            "an element of `require` in [tests.a]: `per_class(min)` is a figure, and no criterion stands before it",
            "per_class(min)",
            Some("name the criterion, as in `nc.per_class(min)`"),
        ),
        ("[tests.a]\nagainst=' '", "`against` in [tests.a] is empty", "' '", None),
        (
            "[defaults]\nagainst='a'",
            "unknown key `against` in [defaults]",
            "against",
            Some("known: `data`, `require`, `layers`, `neurons`, `batch`, `device` and `non_finite`"),
        ),
        (
            "[tests.a]\nrequire=['nc > 0.1', 'nc() >= 0.2']",
            "`nc >= 0.2` bounds what `nc > 0.1` bounds already",
            "'nc() >= 0.2'",
            Some("keep one of them"),
        ),
        // With an escape the text's bytes are not the file's: the whole string is marked.
        (
            "[tests.a]\nrequire=[\"nc\\u0020>= high\"]",
            "an element of `require` in [tests.a]: expected a number, `baseline` or `against` after `>=`, found `high`",
            "\"nc\\u0020>= high\"",
            None,
        ),
        (
            "[tests.a]\nrequire=['''nc >= high''']",
            "an element of `require` in [tests.a]: expected a number, `baseline` or `against` after `>=`, found `high`",
            "high",
            None,
        ),
        (
            "[tests.a]\nlayers='a['",
            "`layers` in [tests.a]: `a[` is no glob: unclosed character class; missing ']'",
            "a[",
            None,
        ),
        ("[tests.a]\nlayers=[]", "`layers` in [tests.a] names no layers", "[]", None),
        (
            "[tests.a]\nlayers=['a', 1]",
            "an element of `layers` in [tests.a] must be a string, not a whole number",
            "1",
            None,
        ),
        ("[tests.a]\nlayers=1.5", "`layers` in [tests.a] must be a string, not a number", "1.5", None),
        (
            "[tests.a]\nneurons='units'",
            "`neurons` in [tests.a] cannot be `units`",
            "'units'",
            Some("did you mean `unit`?"),
        ),
        ("[tests.a]\nbatch=0", "`batch` in [tests.a] must be from 1 to 65536", "0", None),
        ("[tests.a]\nbatch=65537", "`batch` in [tests.a] must be from 1 to 65536", "65537", None),
        ("[tests.a]\nbatch=-1", "`batch` in [tests.a] must be from 1 to 65536", "-1", None),
        ("[tests.a]\nbatch=99999999999999999999", "`batch` in [tests.a] is out of range", "99999999999999999999", None),
        ("[tests.a]\nbatch=1.0", "`batch` in [tests.a] must be a whole number, not a number", "1.0", None),
        ("[tests.a]\nnon_finite=true", "`non_finite` in [tests.a] must be a string, not true or false", "true", None),
    ]);
}

#[test]
fn baseline() {
    check(&[
        (
            "[baseline]\ntolerance={ neurons=-1 }",
            "`neurons` in `tolerance` in [baseline] must not be negative",
            "-1",
            Some("0 lets nothing fall"),
        ),
        (
            "[baseline]\ntolerance={ items=1.5 }",
            "`items` in `tolerance` in [baseline] must be a whole number, not a number",
            "1.5",
            None,
        ),
        (
            "[baseline]\ntolerance={ relative=5 }",
            "`relative` in `tolerance` in [baseline] is a share from 0 to 1",
            "5",
            Some("`relative = 0.01` lets a figure fall by 1 % of what it was"),
        ),
        (
            "[baseline]\ntolerance={ relative=0.1, items=2 }",
            "`items` in `tolerance` in [baseline] stands beside another",
            "2",
            Some("keep one of them"),
        ),
        (
            "[baseline]\ntolerance={ nc=0.1, items=2 }",
            "`items` stands beside criteria",
            "items",
            Some("write `default = { items = … }`"),
        ),
        (
            "[baseline]\ntolerance={ nc={} }",
            "`nc` in `tolerance` in [baseline] says nothing",
            "{}",
            Some("write `{ relative = 0.01 }`"),
        ),
        (
            "[baseline]\ntolerance={ nc={ neuron=1 } }",
            "unknown key `neuron` in `nc` in `tolerance` in [baseline]",
            "neuron",
            Some("did you mean `neurons`?"),
        ),
        ("[tests.a]\ntolerance=-1", "`tolerance` in [tests.a] must not be negative", "-1", Some("0 lets nothing fall")),
        ("[baseline]\ntolerance=nan", "`tolerance` in [baseline] must be finite", "nan", None),
        ("[baseline]\ntolerance=inf", "`tolerance` in [baseline] must be finite", "inf", None),
        ("[baseline]\ntolerance=1e999", "`tolerance` in [baseline] must be finite", "1e999", None),
        (
            "[baseline]\ntolerance=-0.1",
            "`tolerance` in [baseline] must not be negative",
            "-0.1",
            Some("0 lets nothing fall"),
        ),
        ("[baseline]\ntolerance='a'", "`tolerance` in [baseline] must be a number, not a string", "'a'", None),
        ("[baseline.tolerance]\n'nc(' = 0.1", "`nc(` is no criterion: `(` is not closed", "'nc('", None),
        ("[baseline.tolerance]\nkmcn = 0.1", "unknown criterion `kmcn`", "kmcn", Some("did you mean `kmnc`?")),
        ("[baseline.tolerance]\n'nc()' = 0.1\nnc = 0.1", "`nc` has a tolerance already", "nc", None),
        ("[baseline.tolerance]\nnc = nan", "`nc` in `tolerance` in [baseline] must be finite", "nan", None),
        (
            "[baseline]\non_improvement='fial'",
            "`on_improvement` in [baseline] cannot be `fial`",
            "'fial'",
            Some("did you mean `fail`?"),
        ),
        ("[baseline]\nenabled=1", "`enabled` in [baseline] must be true or false, not a whole number", "1", None),
    ]);
}

#[test]
fn report() {
    check(&[
        (
            "[report]\nword = true",
            "unknown key `word` in [report]",
            "word",
            Some("known: `pdf`, `junit`, `json`, `html`, `markdown` and `style`"),
        ),
        ("[report]\npdf=1", "`pdf` in [report] must be true, false or a path", "1", None),
        (
            "[report]\nstyle='clean-ai'",
            "`style` in [report] cannot be `clean-ai`",
            "'clean-ai'",
            Some("did you mean `cleanai`?"),
        ),
        ("[report]\npdf=''", "`pdf` in [report] is empty", "''", None),
        ("[report]\npdf=1979-05-27", "`pdf` in [report] must be true, false or a path", "1979-05-27", None),
    ]);
}
