package ingress

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// conditionSpec is an element of an annotation conditions.NAME. The names are those of
// AWS's API, as the AWS Load Balancer Controller takes them.
type conditionSpec struct {
	Field                   string      `json:"field"`
	HostHeaderConfig        *valuesSpec `json:"hostHeaderConfig"`
	PathPatternConfig       *valuesSpec `json:"pathPatternConfig"`
	HTTPRequestMethodConfig *valuesSpec `json:"httpRequestMethodConfig"`
	SourceIPConfig          *valuesSpec `json:"sourceIPConfig"`
	HTTPHeaderConfig        *headerSpec `json:"httpHeaderConfig"`
	QueryStringConfig       *querySpec  `json:"queryStringConfig"`
}

type valuesSpec struct {
	Values      []string `json:"values"`
	RegexValues []string `json:"regexValues"`
}

type headerSpec struct {
	valuesSpec
	HTTPHeaderName string `json:"httpHeaderName"`
}

type querySpec struct {
	Values []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"values"`
}

var (
	headerNamePattern  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}$")
	headerValuePattern = regexp.MustCompile(`^[\x20-\x7e]{1,128}$`)
	queryPattern       = regexp.MustCompile(`^[\x20-\x7e]{0,128}$`)
	methodPattern      = regexp.MustCompile(`^[-A-Z_]{1,40}$`)
)

// annotatedConditions are what the annotation conditions.NAME adds to the rules of a
// backend of that name.
func (m *member) annotatedConditions(name string) ([]Condition, bool) {
	key := keyConditions + name
	if _, ok := m.ing.Annotations[key]; !ok {
		return nil, true
	}
	var specs []conditionSpec
	if !m.reader().json(key, `a list of conditions in JSON like [{"field":"http-header","httpHeaderConfig":{...}}]`, &specs) {
		return nil, false
	}
	c := conditionReader{member: m, ok: true, seen: map[string]int{}}
	for i, spec := range specs {
		c.read(spec, annotationPlace(key).at(fmt.Sprintf("[%d]", i)), i)
	}
	return c.conditions, c.ok
}

// conditionReader reads the conditions of one annotation. ok turns false with the first
// fault.
type conditionReader struct {
	member     *member
	conditions []Condition
	seen       map[string]int // the first condition of a field
	ok         bool
}

func (c *conditionReader) invalid(at place, format string, args ...any) {
	c.ok = false
	c.member.blockAt(ReasonInvalidAnnotation, at, format, args...)
}

func (c *conditionReader) read(spec conditionSpec, at place, i int) {
	first, again := c.seen[spec.Field]
	if again && (spec.Field == fieldMethod || spec.Field == fieldSourceIP) {
		c.invalid(at, "is a second condition of the field %s after [%d]: give all values in one", spec.Field, first)
	}
	if !again {
		c.seen[spec.Field] = i
	}
	switch spec.Field {
	case fieldHost:
		c.readValues(spec.Field, spec.HostHeaderConfig, at.at(".hostHeaderConfig"), hostValueFault)
	case fieldPath:
		c.readValues(spec.Field, spec.PathPatternConfig, at.at(".pathPatternConfig"), pathValueFault)
	case fieldMethod:
		c.readValues(spec.Field, spec.HTTPRequestMethodConfig, at.at(".httpRequestMethodConfig"), methodFault)
	case fieldSourceIP:
		c.readValues(spec.Field, spec.SourceIPConfig, at.at(".sourceIPConfig"), sourceFault)
	case fieldHeader:
		c.readHeader(spec.HTTPHeaderConfig, at.at(".httpHeaderConfig"))
	case fieldQuery:
		c.readQuery(spec.QueryStringConfig, at.at(".queryStringConfig"))
	default:
		c.invalid(at.at(".field"), "%q must be one of %s", spec.Field,
			strings.Join([]string{fieldHost, fieldPath, fieldHeader, fieldMethod, fieldQuery, fieldSourceIP}, ", "))
	}
}

// readValues adds a condition; fault says what is wrong with one of its values.
func (c *conditionReader) readValues(field string, spec *valuesSpec, at place, fault func(string) string) {
	if spec == nil {
		spec = &valuesSpec{}
	}
	switch {
	case len(spec.RegexValues) > 0:
		c.ok = false
		c.member.blockAt(ReasonUnsupportedAnnotation, at.at(".regexValues"), "regular expressions are not supported yet; use values with the wildcards * and ?")
	case len(spec.Values) == 0:
		c.invalid(at.at(".values"), "must have at least one value")
	}
	for i, v := range spec.Values {
		if f := fault(v); f != "" {
			c.invalid(at.at(fmt.Sprintf(".values[%d]", i)), "%q %s", v, f)
		}
	}
	c.conditions = append(c.conditions, Condition{Field: field, Values: spec.Values})
}

func (c *conditionReader) readHeader(spec *headerSpec, at place) {
	if spec == nil {
		spec = &headerSpec{}
	}
	if name := spec.HTTPHeaderName; !headerNamePattern.MatchString(name) || strings.EqualFold(name, "Host") {
		c.invalid(at.at(".httpHeaderName"), "%q must be 1 to 40 characters of a header's name, and not Host, for which there is host-header", name)
	}
	c.readValues(fieldHeader, &spec.valuesSpec, at, headerFault)
	c.conditions[len(c.conditions)-1].Header = spec.HTTPHeaderName
}

func (c *conditionReader) readQuery(spec *querySpec, at place) {
	if spec == nil || len(spec.Values) == 0 {
		c.invalid(at.at(".values"), "must have at least one value")
		return
	}
	condition := Condition{Field: fieldQuery}
	for i, q := range spec.Values {
		at := at.at(fmt.Sprintf(".values[%d]", i))
		if !queryPattern.MatchString(q.Key) {
			c.invalid(at.at(".key"), "%q must be at most %d printable ASCII characters", q.Key, maxConditionValue)
		}
		if q.Value == "" || !queryPattern.MatchString(q.Value) {
			c.invalid(at.at(".value"), "%q must be 1 to %d printable ASCII characters", q.Value, maxConditionValue)
		}
		condition.Queries = append(condition.Queries, QueryValue{Key: q.Key, Value: q.Value})
	}
	c.conditions = append(c.conditions, condition)
}

func hostValueFault(host string) string {
	if host == "" {
		return "must not be empty"
	}
	return hostFault(host)
}

func pathValueFault(pattern string) string {
	if pattern == "" {
		return "must not be empty"
	}
	return patternFault(pattern)
}

func methodFault(method string) string {
	if methodPattern.MatchString(method) {
		return ""
	}
	return "must be 1 to 40 capital letters, '-' and '_'"
}

func headerFault(value string) string {
	if headerValuePattern.MatchString(value) {
		return ""
	}
	return fmt.Sprintf("must be 1 to %d printable ASCII characters", maxConditionValue)
}

func sourceFault(source string) string {
	if _, err := netip.ParsePrefix(source); err != nil || source == "255.255.255.255/32" {
		return "must be a block of addresses like 10.0.0.0/8 or 2001:db8::/32"
	}
	return ""
}
