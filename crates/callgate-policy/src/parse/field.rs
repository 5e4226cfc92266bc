//! The fields of a document: the one table that the parser reads by and that the JSON Schema is made from.

mod flow;
mod limit;
mod results;

pub(crate) use flow::{EARLIER, FLOW, LABELS, MATCHER, MATCHERS};
pub(crate) use limit::{LIMIT, RATE, WINDOWS};
pub(crate) use results::{OWN_DETECTOR, RESULT_RULES};

/// One field of an object.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its key.
    pub(crate) name: &'static str,
    /// What it may hold.
    pub(crate) kind: Kind,
    /// Whether the object is an error without it.
    pub(crate) required: bool,
    /// What it means, in one or two sentences.
    pub(crate) about: &'static str,
}

/// An object with known fields.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The name that messages and the schema use.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) about: &'static str,
    /// Its fields, in the order in which they are printed.
    pub(crate) fields: &'static [Field],
}

/// What a field may hold.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Any string.
    Text,
    /// A string that is not empty.
    Name,
    /// `true` or `false`.
    Bool,
    /// `true`, and nothing else.
    True,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A number from 0.
    Amount,
    /// A whole number from 1 to this one.
    Count(u32),
    /// A duration such as `"90s"`.
    Duration,
    /// The name of a window, or a duration.
    Window,
    /// The path of one argument.
    ArgumentPath,
    /// A path.
    Path,
    /// The name of an operator.
    Operator,
    /// Any value; the operator judges it.
    Operand,
    /// An object with any members.
    Arguments,
    /// A moment in RFC 3339.
    Moment,
    /// A list of non-empty strings.
    Names,
    /// A non-empty string, or a list of them.
    NameOrNames,
    /// One of these strings, or a list of them.
    Choices(&'static [&'static str]),
    /// `session`, or a duration that the history reaches back.
    Within,
    /// Whose calls are one history.
    FlowScope,
    /// A list of detectors, by name, and of objects of this shape.
    Detectors(&'static Shape),
    /// What a server answers: a string, or an object.
    Answer,
    /// An object of this shape.
    Object(&'static Shape),
    /// A list of objects of this shape.
    List(&'static Shape),
    /// Objects of this shape, by tool name or pattern.
    ByTool(&'static Shape),
    /// Objects of this shape, by category.
    ByCategory(&'static Shape),
    /// `rate_limit` of the older spelling.
    Rate,
    /// `spend_limit` of the older spelling.
    Spend,
}

impl Field {
    const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, required: false, about }
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

impl Shape {
    /// The field with this key.
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// Most identical calls that a test may make.
const MOST_CALLS: u32 = 1_000_000;

/// The categories, as keys under `categories`.
pub(crate) const CATEGORIES: &[&str] = &["read", "write", "execute", "destructive", "financial"];

/// The fields of a test that say what it asks about; it has one of them.
pub(crate) const TEST_SUBJECTS: &[&str] = &["tool", "resource", "prompt", "sampling", "elicitation", "root"];

const DESCRIPTION: Field = Field::new("description", Kind::Text, "Free text for readers; no rule looks at it.");
const MODE: Field = Field::new(
    "mode",
    Kind::Choice(&["enforce", "shadow"]),
    "`enforce` (default), or `shadow`: evaluated, recorded and counted apart, and never a reason to refuse.",
);
const REQUIRE: Field = Field::new(
    "require",
    Kind::List(&PREDICATE),
    "Every predicate must hold, else the call is denied. A condition that can't read its value does not hold.",
);
const DENY_IF: Field = Field::new(
    "deny_if",
    Kind::List(&PREDICATE),
    "A predicate that holds denies the call. A condition that can't read its value holds.",
);
const APPROVE_IF: Field = Field::new(
    "approve_if",
    Kind::List(&APPROVAL),
    "A predicate that holds means that a person decides. A condition that can't read its value holds.",
);
const LIMITS: Field =
    Field::new("limits", Kind::List(&LIMIT), "What the calls are counted against. All are reserved, or none is.");
const VALIDATE: Field = Field::new(
    "validate_arguments",
    Kind::Bool,
    "`true`: arguments must match the pinned `inputSchema` before the server sees them.",
);
const RESULTS: Field = Field::new(
    "results",
    Kind::Object(&RESULT_RULES),
    "Rules over what comes back: what is taken out of it, how long it may be, and when it is refused.",
);
const NAME: Field =
    Field::new("name", Kind::Name, "The rule's name in logs and answers, in place of its path and operator.");
const CONDITIONS: Field = Field::new(
    "conditions",
    Kind::List(&CONDITION),
    "All of them must hold. An empty list always holds. Required unless `any` is there.",
);
const ANY: Field = Field::new("any", Kind::List(&CONDITION), "At least one of them must hold, beside `conditions`.");
const ON_DENY: Field = Field::new("on_deny", Kind::Text, "What the caller is told.");
const TIMEOUT: Field = Field::new("timeout", Kind::Duration, "How long the question stands before the call is denied.");
const ASK: Field = Field::new(
    "ask",
    Kind::Choice(&["retry", "hold", "client"]),
    "What the caller does meanwhile: `retry` (default), `hold` its call open, or ask its own user (`client`).",
);
const HOLD_FOR: Field =
    Field::new("hold_for", Kind::Duration, "How long a call is held open under `\"ask\": \"hold\"`.");
const FOUR_EYES: Field = Field::new("four_eyes", Kind::Bool, "`true`: who asks may not answer.");
const REMEMBER_FOR: Field = Field::new("remember_for", Kind::Duration, "How long one yes covers identical calls.");
const INCLUDE_ARGUMENTS: Field = Field::new(
    "include_arguments",
    Kind::Bool,
    "`true`: webhooks that are allowed to see arguments get those of the call; otherwise only their names.",
);
const QUIET: Field = Field::new("quiet", Kind::Bool, "`true`: the message names no value of the call.");

/// The whole document.
pub(crate) const DOCUMENT: Shape = Shape {
    name: "policy",
    about: "A Callgate policy: which tools may be called, with which arguments, and how often.",
    fields: &[
        Field::new("$schema", Kind::Text, "The address of this schema, for editors."),
        Field::new("version", Kind::Choice(&["1"]), "The version of the language: the string \"1\".").required(),
        Field::new("name", Kind::Name, "The policy's name."),
        DESCRIPTION,
        Field::new("default", Kind::Choice(&["allow", "deny"]), "What happens to tools that no entry lists.")
            .required(),
        Field::new(
            "list",
            Kind::Choice(&["all", "callable"]),
            "Which tools `tools/list` shows, hidden ones aside: `all` (default), or only those that some argument \
             could make callable.",
        ),
        Field::new(
            "hide",
            Kind::Names,
            "Names and patterns of tools that are taken out of `tools/list` and denied. `*` is any run of characters.",
        ),
        Field::new("all_tools", Kind::Object(&ENTRY), "Rules for every tool. Lists none."),
        Field::new("categories", Kind::ByCategory(&ENTRY), "Rules by the pinned classification of the tool."),
        Field::new(
            "tools",
            Kind::ByTool(&TOOL),
            "Rules by tool name or pattern. An entry, also an empty one, lists the tools that it matches.",
        ),
        Field::new(
            "resources",
            Kind::Object(&SECTION),
            "Which resources may be read and subscribed to, and are listed, by URI; templates by their `uriTemplate`.",
        ),
        Field::new("prompts", Kind::Object(&SECTION), "Which prompts may be got, and are listed, by name."),
        Field::new(
            "sampling",
            Kind::Object(&SECTION),
            "Which sampling the server may ask for, by the model hints' names. Without it `default` decides.",
        ),
        Field::new(
            "elicitation",
            Kind::Object(&SECTION),
            "What the server may ask the user for: `form`, or by the URL that the user is sent to. Without it \
             `default` decides.",
        ),
        Field::new(
            "roots",
            Kind::Object(&SECTION),
            "Which of the client's roots the server is told about, by URI. Without it `default` decides.",
        ),
        Field::new("flows", Kind::List(&FLOW), "Rules over the history of calls: what may follow what."),
        RESULTS,
        Field::new("tests", Kind::List(&TEST), "What the policy is supposed to do, checked before it is published."),
    ],
};

/// A section for what is no tool.
pub(crate) const SECTION: Shape = Shape {
    name: "section",
    about: "What may be reached or started beside tools. At least one of the two lists.",
    fields: &[
        DESCRIPTION,
        Field::new(
            "allow",
            Kind::Names,
            "Names and patterns, one of which has to match; `*` is any run of characters. Empty allows nothing, and \
             without the list everything is allowed that is not denied.",
        ),
        Field::new("deny", Kind::Names, "Names and patterns of what is denied, also where it is allowed."),
    ],
};

/// An entry under `all_tools` or `categories`.
pub(crate) const ENTRY: Shape = Shape {
    name: "entry",
    about: "Rules for a set of tools.",
    fields: &[DESCRIPTION, VALIDATE, REQUIRE, DENY_IF, APPROVE_IF, LIMITS, RESULTS],
};

/// An entry under `tools`.
pub(crate) const TOOL: Shape = Shape {
    name: "tool entry",
    about: "Rules for one tool, or for the tools that a pattern matches.",
    fields: &[
        DESCRIPTION,
        VALIDATE,
        REQUIRE,
        DENY_IF,
        APPROVE_IF,
        LIMITS,
        RESULTS,
        Field::new(
            "action",
            Kind::Choice(&["allow", "deny", "hide", "require_approval"]),
            "Older spelling of an empty entry, an unconditional `deny_if`, a name in `hide`, an unconditional \
             `approve_if`.",
        ),
        Field::new("reason", Kind::Text, "Older spelling: what the caller is told, beside `action`."),
        Field::new(
            "approval_timeout",
            Kind::Duration,
            "Older spelling: how long the question stands, beside `\"action\": \"require_approval\"`.",
        ),
        Field::new(
            "rate_limit",
            Kind::Rate,
            "Older spelling of a limit on calls: `\"5/hour\"`, or `max` with a `window` in seconds.",
        ),
        Field::new(
            "spend_limit",
            Kind::Spend,
            "Older spelling of a limit on the sum of `args.amount`: `\"$500/day\"`, in the tool's own unit.",
        ),
    ],
};

/// A member of `require` or `deny_if`.
pub(crate) const PREDICATE: Shape = Shape {
    name: "predicate",
    about: "Conditions, and what to say when they decide.",
    fields: &[NAME, DESCRIPTION, CONDITIONS, ANY, ON_DENY, MODE, QUIET],
};

/// A member of `approve_if`.
pub(crate) const APPROVAL: Shape = Shape {
    name: "approval",
    about: "Conditions under which a person decides, and how that person is asked.",
    fields: &[
        NAME,
        DESCRIPTION,
        CONDITIONS,
        ANY,
        ON_DENY,
        TIMEOUT,
        ASK,
        HOLD_FOR,
        FOUR_EYES,
        REMEMBER_FOR,
        INCLUDE_ARGUMENTS,
        MODE,
        QUIET,
    ],
};

/// A member of `conditions` or `any`.
pub(crate) const CONDITION: Shape = Shape {
    name: "condition",
    about: "One comparison of a value of the call.",
    fields: &[
        Field::new(
            "path",
            Kind::Path,
            "What is looked at: `args.amount`, `args[\"a.b\"]`, `args.list[0]`, `[*]` (any element), `[all]` (every \
             element), `[join]` (joined with blanks), `tool.name`, `grant.label`, `identity.subject`, `client.name`, \
             `session.id`, `time.hour` and others. Required unless `op` is `cel`.",
        ),
        Field::new("op", Kind::Operator, "How the value is judged.").required(),
        Field::new("value", Kind::Operand, "What it is judged by. Its kind depends on `op`."),
    ],
};

/// A member of `tests`.
pub(crate) const TEST: Shape = Shape {
    name: "test",
    about: "Identical calls made at one moment, and what the last of them has to meet; or one thing that is reached \
            for beside tools.",
    fields: &[
        Field::new("name", Kind::Name, "What the test shows.").required(),
        Field::new("tool", Kind::Name, "The tool that is called."),
        Field::new("resource", Kind::Name, "The URI of a resource, or a `uriTemplate`, in place of a tool."),
        Field::new("prompt", Kind::Name, "The name of a prompt, in place of a tool."),
        Field::new("sampling", Kind::Text, "The name of a model hint, in place of a tool; empty for none."),
        Field::new("elicitation", Kind::Name, "`form` or the URL of an elicitation, in place of a tool."),
        Field::new("root", Kind::Name, "The URI of a root, in place of a tool."),
        Field::new("args", Kind::Arguments, "The arguments of each call; none by default."),
        Field::new("after", Kind::List(&EARLIER), "The calls before, by the same grant in the same session."),
        Field::new("calls", Kind::Count(MOST_CALLS), "How many calls are made; 1 by default. The last one is judged."),
        Field::new("grant", Kind::Name, "The label of the calling grant."),
        Field::new("at", Kind::Moment, "The moment of the calls, in RFC 3339."),
        Field::new(
            "result",
            Kind::Answer,
            "What the server answers to the last call, which is judged instead of the call where the call is allowed: a \
             result as MCP has it, or a text.",
        ),
        Field::new(
            "redacts",
            Kind::Names,
            "The detectors that have to find something in `result`, and no others; an empty list for none.",
        ),
        Field::new("expect", Kind::Choice(&["allow", "deny", "approve"]), "The outcome of the last call.").required(),
        Field::new("rule", Kind::Text, "The rule that decides the last call; empty for a plain allow."),
    ],
};
