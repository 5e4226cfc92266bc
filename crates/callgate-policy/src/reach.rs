//! What is not a tool and can be reached, or started, all the same: resources, prompts, sampling, elicitation, roots.

pub(crate) mod uri;

/// What is reached for, or what a server wants to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReachKind {
    /// A resource; the subject is its URI.
    Resource,
    /// A resource template; the subject is the text of its `uriTemplate`.
    Template,
    /// A prompt; the subject is its name.
    Prompt,
    /// A server's request for a completion; the subject is one model hint's name, or empty where there is no hint.
    Sampling,
    /// A server's question to the user; the subject is `form`, or the URL that the user is sent to.
    Elicitation,
    /// A directory of the client that a server is told about; the subject is its URI.
    Root,
}

/// One thing that is reached for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach<'a> {
    /// What kind of thing it is.
    pub kind: ReachKind,
    /// Which one.
    pub subject: &'a str,
}

impl ReachKind {
    /// One kind for each section, in the order in which sections are printed.
    pub(crate) const SECTIONS: [Self; 5] =
        [Self::Resource, Self::Prompt, Self::Sampling, Self::Elicitation, Self::Root];

    /// The word in records and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Template => "template",
            Self::Prompt => "prompt",
            Self::Sampling => "sampling",
            Self::Elicitation => "elicitation",
            Self::Root => "root",
        }
    }

    /// The section of the document that speaks about it.
    pub fn section(self) -> &'static str {
        match self {
            Self::Resource | Self::Template => "resources",
            Self::Prompt => "prompts",
            Self::Sampling => "sampling",
            Self::Elicitation => "elicitation",
            Self::Root => "roots",
        }
    }

    /// Whether the subjects of its section are URIs; of `elicitation` all are but one.
    pub(crate) fn is_of_uris(self) -> bool {
        !matches!(self, Self::Prompt | Self::Sampling)
    }

    /// Whether the server starts it. Without a section `default` speaks for these; what the client starts is allowed.
    pub fn is_started_by_server(self) -> bool {
        matches!(self, Self::Sampling | Self::Elicitation | Self::Root)
    }
}

impl Reach<'_> {
    /// Whether the subject is read as a URI.
    pub(crate) fn is_uri(&self) -> bool {
        match self.kind {
            ReachKind::Resource | ReachKind::Template | ReachKind::Root => true,
            ReachKind::Elicitation => self.subject != FORM,
            ReachKind::Prompt | ReachKind::Sampling => false,
        }
    }
}

/// The subject of an elicitation that shows a form.
pub(crate) const FORM: &str = "form";
