package ingress

// Reasons that keep a member out of the model. With those below they are a closed
// set: a reason is a label of the metric ingress_problems, and stands in the event.
const (
	// ReasonClassNotFound: a served Ingress names an IngressClass that does not
	// exist. It may have been deleted by mistake, so nothing is torn down.
	ReasonClassNotFound = "IngressClassNotFound"
	// ReasonInvalidAnnotation: the value of an annotation cannot be used.
	ReasonInvalidAnnotation = "InvalidAnnotation"
	// ReasonUnsupportedTargetType: the target type is not ip.
	ReasonUnsupportedTargetType = "UnsupportedTargetType"
	// ReasonConflict: an earlier member of the group decided otherwise.
	ReasonConflict = "ConflictingMember"
	// ReasonUnsupportedBackend: the backend is not a Service port.
	ReasonUnsupportedBackend = "UnsupportedBackend"
	// ReasonServicePortNotFound: the Service exists and has no such port.
	ReasonServicePortNotFound = "ServicePortNotFound"
	// ReasonUnsupportedAnnotation: an annotation is not supported. One that can be
	// left out without harm, or that nobody knows, only warns.
	ReasonUnsupportedAnnotation = "UnsupportedAnnotation"
	// ReasonClassParamsNotFound: the class refers to IngressClassParams that do not
	// exist or cannot be read.
	ReasonClassParamsNotFound = "IngressClassParamsNotFound"
	// ReasonNamespaceNotSelected: the class is not for Ingresses of this namespace.
	ReasonNamespaceNotSelected = "NamespaceNotSelected"
	// ReasonDisabledAnnotation: the settings do not let Ingresses take it up.
	ReasonDisabledAnnotation = "DisabledAnnotation"
	// ReasonDeletionProtected: the Ingress is being deleted and asks for deletion
	// protection.
	ReasonDeletionProtected = "DeletionProtected"
	// ReasonCertificateNotFound: there is no certificate for an HTTPS listener.
	ReasonCertificateNotFound = "CertificateNotFound"
	// ReasonInvalidHost: a load balancer takes no such host.
	ReasonInvalidHost = "InvalidHost"
	// ReasonInvalidPath: a load balancer takes no such path.
	ReasonInvalidPath = "InvalidPath"
)

// Reasons that only warn.
const (
	// ReasonNoEffect: an annotation is about nothing that there is.
	ReasonNoEffect = "AnnotationWithoutEffect"
	// ReasonServiceNotFound: requests for this backend are answered with a 503, unless
	// the settings do not tolerate it: then the member is bad.
	ReasonServiceNotFound = "ServiceNotFound"
	// ReasonActionNotFound: the same, of a backend that is an annotation.
	ReasonActionNotFound = "ActionNotFound"
)
