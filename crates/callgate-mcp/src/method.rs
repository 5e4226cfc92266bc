//! The methods of MCP, all revisions, and the names that could be taken for them.

use crate::fold::skeleton;

/// A method that a gateway treats specially; everything else travels as [`Method::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `initialize`, legacy.
    Initialize,
    /// `notifications/initialized`, legacy.
    Initialized,
    /// `server/discover`, modern.
    Discover,
    /// `ping`
    Ping,
    /// `tools/list`
    ToolsList,
    /// `tools/call`
    ToolsCall,
    /// `prompts/list`
    PromptsList,
    /// `prompts/get`
    PromptsGet,
    /// `resources/list`
    ResourcesList,
    /// `resources/templates/list`
    ResourcesTemplatesList,
    /// `resources/read`
    ResourcesRead,
    /// `resources/subscribe`, legacy.
    ResourcesSubscribe,
    /// `resources/unsubscribe`, legacy.
    ResourcesUnsubscribe,
    /// `subscriptions/listen`, modern.
    SubscriptionsListen,
    /// `completion/complete`
    Complete,
    /// `logging/setLevel`, legacy.
    SetLevel,
    /// `tasks/get`
    TasksGet,
    /// `tasks/result`, 2025-11-25.
    TasksResult,
    /// `tasks/list`, 2025-11-25.
    TasksList,
    /// `tasks/update`, the tasks extension.
    TasksUpdate,
    /// `tasks/cancel`
    TasksCancel,
    /// `sampling/createMessage`, server to client.
    CreateMessage,
    /// `elicitation/create`, server to client.
    Elicit,
    /// `roots/list`, server to client.
    RootsList,
    /// `notifications/cancelled`
    Cancelled,
    /// `notifications/progress`
    Progress,
    /// `notifications/tools/list_changed`
    ToolsListChanged,
    /// Anything else.
    Other,
}

const KNOWN: &[(&str, Method)] = &[
    ("tools/call", Method::ToolsCall),
    ("tools/list", Method::ToolsList),
    ("initialize", Method::Initialize),
    ("notifications/initialized", Method::Initialized),
    ("server/discover", Method::Discover),
    ("ping", Method::Ping),
    ("prompts/list", Method::PromptsList),
    ("prompts/get", Method::PromptsGet),
    ("resources/list", Method::ResourcesList),
    ("resources/templates/list", Method::ResourcesTemplatesList),
    ("resources/read", Method::ResourcesRead),
    ("resources/subscribe", Method::ResourcesSubscribe),
    ("resources/unsubscribe", Method::ResourcesUnsubscribe),
    ("subscriptions/listen", Method::SubscriptionsListen),
    ("completion/complete", Method::Complete),
    ("logging/setLevel", Method::SetLevel),
    ("tasks/get", Method::TasksGet),
    ("tasks/result", Method::TasksResult),
    ("tasks/list", Method::TasksList),
    ("tasks/update", Method::TasksUpdate),
    ("tasks/cancel", Method::TasksCancel),
    ("sampling/createMessage", Method::CreateMessage),
    ("elicitation/create", Method::Elicit),
    ("roots/list", Method::RootsList),
    ("notifications/cancelled", Method::Cancelled),
    ("notifications/progress", Method::Progress),
    ("notifications/tools/list_changed", Method::ToolsListChanged),
];

/// The longest method name, in bytes, that is taken.
const MAX_METHOD: usize = 128;

impl Method {
    /// The method with exactly this name.
    pub fn of(name: &str) -> Self {
        KNOWN.iter().find(|(known, _)| *known == name).map_or(Self::Other, |(_, method)| *method)
    }

    /// The method's name; `None` for [`Method::Other`].
    pub fn name(self) -> Option<&'static str> {
        KNOWN.iter().find(|(_, method)| *method == self).map(|(name, _)| *name)
    }
}

/// Whether the method is one of `tasks/…` that name a task in `taskId`.
pub fn is_task_method(method: Method) -> bool {
    matches!(method, Method::TasksGet | Method::TasksResult | Method::TasksUpdate | Method::TasksCancel)
}

/// Whether revision 2026-07-28 removed the request (MCP 2026-07-28 "Key Changes").
pub(crate) fn is_removed_method(method: Method) -> bool {
    matches!(
        method,
        Method::Initialize
            | Method::Ping
            | Method::SetLevel
            | Method::ResourcesSubscribe
            | Method::ResourcesUnsubscribe
            | Method::TasksResult
            | Method::TasksList
    )
}

/// What is wrong with a method's name, or the method.
pub(crate) fn read_method(name: &str) -> Result<Method, String> {
    if name.is_empty() || name.len() > MAX_METHOD || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("`method` must be 1 to {MAX_METHOD} visible ASCII characters"));
    }
    let method = Method::of(name);
    if method != Method::Other {
        return Ok(method);
    }
    // A lenient server may trim, split or ignore case, and run what was judged as an unknown method.
    match KNOWN.iter().find(|(known, _)| skeleton(known).eq(skeleton(name))) {
        Some((known, _)) => Err(format!("the method `{name}` could be taken for `{known}`; write it exactly")),
        None => Ok(Method::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_go_both_ways() {
        for (name, method) in KNOWN {
            assert_eq!(Method::of(name), *method);
            assert_eq!(method.name(), Some(*name));
            assert_eq!(read_method(name), Ok(*method));
        }
        assert_eq!(read_method("vendor/do"), Ok(Method::Other));
    }

    #[test]
    fn what_could_be_taken_for_a_known_method_is_refused() {
        let twins = ["Tools/Call", "TOOLS/CALL", "tools/call/", "tools//call", "tools.call", "/tools/call", "PING"];
        for twin in twins {
            assert!(read_method(twin).is_err(), "{twin}");
        }
        for bad in ["", " tools/call", "tools/call\t", "tools/call\0", "tools/cäll", &"x".repeat(129)] {
            assert!(read_method(bad).is_err(), "{bad:?}");
        }
    }
}
