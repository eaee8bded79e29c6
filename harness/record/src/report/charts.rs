//! What all charts share: sections, legends, and a colour for each engine.

use super::svg::escape;
use crate::Run;

/// Width of the charts' view boxes.
pub(super) const WIDTH_PX: f64 = 1080.0;

/// How many engine colours the style sheet has.
const ENGINE_COLOURS: usize = 8;

/// A section with a heading, a sentence on how to read it, and its content.
pub(super) fn section(title: &str, how_to_read: &str, content: &str) -> String {
    let (title, how_to_read) = (escape(title), escape(how_to_read));
    format!("<section>\n<h2>{title}</h2>\n<p class=\"how\">{how_to_read}</p>\n{content}</section>\n")
}

/// The style class of an engine's colour, by its place in the run.
pub(super) fn engine_class(run: &Run, engine: &str) -> String {
    colour(run.engines().iter().position(|name| *name == engine).unwrap_or_default())
}

/// The style class of the engine in a place.
pub(super) fn colour(place: usize) -> String {
    format!("e{}", place % ENGINE_COLOURS)
}

/// A legend of coloured keys.
pub(super) fn legend(entries: impl IntoIterator<Item = (String, String)>) -> String {
    let entry = |(class, name): (String, String)| {
        format!("<span><i class=\"key {}\"></i>{}</span>", escape(&class), escape(&name))
    };
    let entries: String = entries.into_iter().map(entry).collect();
    format!("<p class=\"legend\">{entries}</p>\n")
}

/// The legend of the engines.
pub(super) fn engine_legend(run: &Run) -> String {
    legend(run.engines().into_iter().map(|engine| (engine_class(run, engine), engine.to_owned())))
}
