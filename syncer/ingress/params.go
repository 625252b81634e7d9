package ingress

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What an IngressClass's spec.parameters refer to.
const (
	// ClassParamsGroup is the API group of IngressClassParams.
	ClassParamsGroup = "elbv2.k8s.aws"
	// ClassParamsKind is their kind.
	ClassParamsKind = "IngressClassParams"
)

// ClassParams are the settings that a class makes for all its Ingresses: what they say
// wins over annotations.
type ClassParams struct {
	Name string
	Spec ClassParamsSpec
	// Malformed is why the object could not be read. Empty: it could.
	Malformed string
}

// ClassParamsSpec is the spec of an IngressClassParams.
type ClassParamsSpec struct {
	LoadBalancerName string                `json:"loadBalancerName"`
	CertificateARNs  []string              `json:"certificateArn"`
	Namespaces       *metav1.LabelSelector `json:"namespaceSelector"` // nil: all
	Group            *struct {
		Name string `json:"name"`
	} `json:"group"`
	Scheme          string          `json:"scheme"`
	InboundCIDRs    []string        `json:"inboundCIDRs"`
	SSLPolicy       string          `json:"sslPolicy"`
	SSLRedirectPort string          `json:"sslRedirectPort"`
	Subnets         *ClassSubnets   `json:"subnets"`
	IPAddressType   string          `json:"ipAddressType"`
	Tags            []ClassValue    `json:"tags"`
	TargetType      string          `json:"targetType"`
	Attributes      []ClassValue    `json:"loadBalancerAttributes"`
	Listeners       []ClassListener `json:"listeners"`
	PrefixLists     []string        `json:"prefixListsIDs"`

	// What is not supported yet is only looked for.
	Capacity  json.RawMessage `json:"minimumLoadBalancerCapacity"`
	IPAM      json.RawMessage `json:"ipamConfiguration"`
	WAFv2ARN  string          `json:"wafv2AclArn"`
	WAFv2Name string          `json:"wafv2AclName"`
}

// ClassSubnets are the subnets of a class's load balancers.
type ClassSubnets struct {
	IDs  []string            `json:"ids"`
	Tags map[string][]string `json:"tags"`
}

// ClassValue is one entry of a map.
type ClassValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// ClassListener are attributes of the listeners with a protocol and port, if there are
// any.
type ClassListener struct {
	Protocol   string       `json:"protocol"`
	Port       int32        `json:"port"`
	Attributes []ClassValue `json:"listenerAttributes"`
}

// ReadClassParams decodes an IngressClassParams as the API server sends it. One that
// its definition should not have let through is returned with the reason.
func ReadClassParams(name string, object map[string]any) *ClassParams {
	p := &ClassParams{Name: name}
	data, err := json.Marshal(object["spec"])
	if err == nil {
		err = json.Unmarshal(data, &p.Spec)
	}
	if err == nil {
		_, err = metav1.LabelSelectorAsSelector(p.Spec.Namespaces)
	}
	if err != nil {
		p.Malformed = err.Error()
	}
	return p
}

// group returns the name of the group that the class puts its Ingresses into.
func (p *ClassParams) group() string {
	if p == nil || p.Spec.Group == nil {
		return ""
	}
	return p.Spec.Group.Name
}

// classText is a value of an IngressClassParams, worded as the annotation that it
// stands for.
type classText struct {
	field string
	text  string
}

// texts returns what the class says in place of annotations, by key. Tags and
// attributes are not among them: they win one by one.
func (p *ClassParams) texts() map[string]classText {
	texts := map[string]classText{}
	if p == nil {
		return texts
	}
	add := func(key, field, text string) {
		if text != "" {
			texts[key] = classText{field: ClassParamsKind + ".spec." + field, text: text}
		}
	}
	add(keyLoadBalancerName, "loadBalancerName", p.Spec.LoadBalancerName)
	add(keyCertificates, "certificateArn", strings.Join(p.Spec.CertificateARNs, ","))
	add(keyScheme, "scheme", p.Spec.Scheme)
	add(keyInboundCIDRs, "inboundCIDRs", strings.Join(p.Spec.InboundCIDRs, ","))
	add(keySSLPolicy, "sslPolicy", p.Spec.SSLPolicy)
	add(keyAddressType, "ipAddressType", p.Spec.IPAddressType)
	add(keyTargetType, "targetType", p.Spec.TargetType)
	add(keyPrefixLists, "prefixListsIDs", strings.Join(p.Spec.PrefixLists, ","))
	if _, err := strconv.ParseUint(p.Spec.SSLRedirectPort, 10, 16); err == nil {
		add(keySSLRedirect, "sslRedirectPort", p.Spec.SSLRedirectPort)
	}
	if p.Spec.Subnets != nil {
		add(keySubnets, "subnets.ids", strings.Join(p.Spec.Subnets.IDs, ","))
	}
	return texts
}

// subnetTags returns the tags that select subnets, nil if the class has none.
func (p *ClassParams) subnetTags() map[string][]string {
	if p == nil || p.Spec.Subnets == nil || len(p.Spec.Subnets.IDs) > 0 || len(p.Spec.Subnets.Tags) == 0 {
		return nil
	}
	tags := map[string][]string{}
	for key, values := range p.Spec.Subnets.Tags {
		tags[key] = append([]string(nil), values...)
	}
	return tags
}

// tags returns those that the class puts on resources.
func (p *ClassParams) tags() map[string]string {
	if p == nil {
		return nil
	}
	return classValues(p.Spec.Tags)
}

// attributes returns those of the load balancer and its listeners, by what they are
// about.
func (p *ClassParams) attributes() map[topic]string {
	attributes := map[topic]string{}
	if p == nil {
		return attributes
	}
	for key, value := range classValues(p.Spec.Attributes) {
		attributes[topic{key: keyAttributes, part: key}] = value
	}
	for _, l := range p.Spec.Listeners {
		for key, value := range classValues(l.Attributes) {
			attributes[topic{key: listenerKey(l.Protocol, l.Port), port: l.Port, part: key}] = value
		}
	}
	return attributes
}

func classValues(values []ClassValue) map[string]string {
	out := map[string]string{}
	for _, v := range values {
		out[v.Key] = v.Value
	}
	return out
}

// warnOfClass warns of what the class asks for and is not done, and blocks where
// serving without it would not be what was asked for.
func (m *member) warnOfClass() {
	if m.params == nil {
		return
	}
	const later = "%s of %q is not supported yet"
	field := func(name string) string { return ClassParamsKind + ".spec." + name }
	spec := &m.params.Spec
	if spec.Capacity != nil {
		m.warn(ReasonUnsupportedAnnotation, field("minimumLoadBalancerCapacity"), later+" and was ignored", field("minimumLoadBalancerCapacity"), m.params.Name)
	}
	if spec.IPAM != nil {
		m.warn(ReasonUnsupportedAnnotation, field("ipamConfiguration"), later+" and was ignored", field("ipamConfiguration"), m.params.Name)
	}
	if spec.WAFv2ARN != "" || spec.WAFv2Name != "" {
		m.block(ReasonUnsupportedAnnotation, field("wafv2AclArn"), later+", and nothing is served otherwise than it asks", field("wafv2AclArn"), m.params.Name)
	}
	if spec.SSLRedirectPort != "" && m.class[keySSLRedirect].text == "" {
		m.warn(ReasonInvalidAnnotation, field("sslRedirectPort"), "%s of %q: %q is no port, so nothing is redirected",
			field("sslRedirectPort"), m.params.Name, spec.SSLRedirectPort)
	}
}

// get returns what a member says about an annotation's subject: its class's word, or
// its own.
func (m *member) get(key string) (string, bool) {
	if c, ok := m.class[key]; ok {
		return c.text, true
	}
	value, ok := m.ing.Annotations[key]
	return value, ok
}

// source returns where a member says it: the field of a Problem, and how a message
// names it.
func (m *member) source(key string) (field, words string) {
	if c, ok := m.class[key]; ok {
		return c.field, fmt.Sprintf("%s of %q", c.field, m.params.Name)
	}
	return key, "annotation " + key
}

// invalid reports a value that cannot be used: must completes "must be ...".
func (m *member) invalid(key, value, must string) {
	field, words := m.source(key)
	m.block(ReasonInvalidAnnotation, field, "%s: %q must be %s", words, value, must)
}
