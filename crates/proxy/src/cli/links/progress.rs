//! How far a command is: on a terminal, and nowhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for a file of so many bytes.
pub(super) fn bytes(doing: &'static str, length: u64) -> ProgressBar {
    bar(doing, length, "{msg} {wide_bar} {bytes}/{total_bytes}")
}

/// A bar for so many links.
pub(super) fn links(doing: &'static str, count: u64) -> ProgressBar {
    bar(doing, count, "{msg} {wide_bar} {human_pos}/{human_len}")
}

/// A sign of life while something takes as long as it takes.
pub(super) fn spinner(doing: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(doing);
    if !spinner.is_hidden() {
        spinner.enable_steady_tick(Duration::from_millis(100));
    }
    spinner
}

fn bar(doing: &'static str, length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the templates are ours");
    ProgressBar::new(length).with_message(doing).with_style(style)
}
