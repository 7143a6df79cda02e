//! The user guide, a page in each module. It is a book too (`docs/guide`, for mdBook), where the pictures are seen beside the text.
//!
//! Every command and every snippet in it is run by the project's tests.

/// A page of the book: its links to other pages lead to modules here, which rustdoc checks.
macro_rules! page {
    ($name:ident, $file:literal) => {
        // The first definition of a link counts, so these go before those of the page, which name files.
        #[doc = "[quick_start]: quick_start\n[declaring]: declaring\n[criteria]: criteria\n[baselines]: baselines\n[reports]: reports"]
        #[doc = "[continuous_integration]: continuous_integration\n[exporting]: exporting\n[troubleshooting]: troubleshooting\n\n"]
        #[doc = include_str!(concat!("../docs/guide/src/", $file))]
        pub mod $name {}
    };
}

page!(quick_start, "quick_start.md");
page!(declaring, "declaring.md");
page!(criteria, "criteria.md");
page!(baselines, "baselines.md");
page!(reports, "reports.md");
page!(continuous_integration, "continuous_integration.md");
page!(exporting, "exporting.md");
page!(troubleshooting, "troubleshooting.md");
