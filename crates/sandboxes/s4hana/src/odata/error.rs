//! Errors as SAP Gateway answers them: an HTTP status, a message class with number, a text, and details.

use super::value::write_json_text;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    /// The HTTP status.
    pub(crate) status: u16,
    /// `V1/384`, `/IWBEP/CM_MGW_RT/020`, or a text id of the framework.
    pub(crate) code: &'static str,
    /// One sentence, in English.
    pub(crate) message: String,
    /// The property or navigation it is about.
    pub(crate) target: String,
}

impl Error {
    /// A refusal.
    #[must_use]
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), target: String::new() }
    }

    /// A refusal for business reasons: status 400 with a message class and number.
    #[must_use]
    pub(crate) fn business(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// With the property or navigation it is about.
    #[must_use]
    pub(crate) fn at(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }

    /// No such record.
    #[must_use]
    pub(crate) fn not_found(segment: &str) -> Self {
        Self::new(404, "/IWBEP/CM_MGW_RT/020", format!("Resource not found for segment '{segment}'"))
    }

    /// No such set, navigation or property in the address.
    #[must_use]
    pub(crate) fn no_segment(segment: &str) -> Self {
        Self::new(404, "005056A509B11EE1B9A8FEC11C21578E", format!("Resource not found for the segment '{segment}'."))
    }

    /// No such property in a query option or a body.
    #[must_use]
    pub(crate) fn no_property(property: &str, full_name: &str) -> Self {
        let message = format!("Property '{property}' is not found in type '{full_name}'");
        Self::new(400, "005056A509B11EE1B9A8FEC11C21D78E", message)
    }

    /// A query option, an address or a body that does not follow the grammar.
    #[must_use]
    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        Self::new(400, "005056A509B11EE1B9A8FEC11C23378E", message)
    }

    /// A method that a set does not offer.
    #[must_use]
    pub(crate) fn not_allowed(method: &str, set: &str) -> Self {
        let message = format!("Method '{method}' is not supported for entity set '{set}'");
        Self::new(405, "/IWBEP/CM_MGW_RT/173", message)
    }

    /// Appends the JSON body.
    pub(crate) fn write_json(&self, service: &str, transaction: u64, out: &mut Vec<u8>) {
        let text = |text: &str, out: &mut Vec<u8>| write_json_text(text, out);
        out.extend_from_slice(b"{\"error\":{\"code\":");
        text(self.code, out);
        out.extend_from_slice(b",\"message\":{\"lang\":\"en\",\"value\":");
        text(&self.message, out);
        out.extend_from_slice(b"},\"innererror\":{\"application\":{\"component_id\":\"SD-SLS\",\"service_namespace\":\"/SAP/\",\"service_id\":");
        text(service, out);
        out.extend_from_slice(b",\"service_version\":\"0001\"},\"transactionid\":\"");
        out.extend_from_slice(format!("{transaction:032X}").as_bytes());
        out.extend_from_slice(b"\",\"Error_Resolution\":{\"SAP_Transaction\":\"Run transaction /IWFND/ERROR_LOG on SAP Gateway hub system and search for entries with the timestamp above for more details\"},\"errordetails\":[{\"ContentID\":\"\",\"code\":");
        text(self.code, out);
        out.extend_from_slice(b",\"message\":");
        text(&self.message, out);
        out.extend_from_slice(
            b",\"longtext_url\":\"\",\"propertyref\":\"\",\"severity\":\"error\",\"transition\":false,\"target\":",
        );
        text(&self.target, out);
        out.extend_from_slice(b"}]}}}");
    }
}
