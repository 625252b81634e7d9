package awssim

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

type conditionParams struct {
	Field                   string
	Values                  []string
	HostHeaderConfig        *valuesParams
	PathPatternConfig       *valuesParams
	HttpRequestMethodConfig *methodParams
	SourceIpConfig          *sourceParams
	HttpHeaderConfig        *httpHeaderParams
	QueryStringConfig       *queryStringParams
	RegexValues             unsupported
}

type valuesParams struct {
	Values      []string
	RegexValues unsupported
}

type methodParams struct{ Values []string }

type sourceParams struct {
	Values        []string
	IpAddressType unsupported
}

type httpHeaderParams struct {
	HttpHeaderName string
	Values         []string
	RegexValues    unsupported
}

type queryStringParams struct{ Values []queryValueParams }

type queryValueParams struct {
	Key   string
	Value string
}

// field is a kind of condition: what its values look like, and how many of its
// conditions a rule can have (0: any number).
type field struct {
	max   int
	value *regexp.Regexp
}

// The texts have at most 128 characters, a method 40. A host has a dot and only
// letters after the last one.
var fields = map[string]field{
	"host-header":         {1, regexp.MustCompile(`^[A-Za-z0-9*?.-]{0,126}[.][A-Za-z]{1,63}$`)},
	"path-pattern":        {1, regexp.MustCompile(`^[A-Za-z0-9_.$/~"'@:+&*?-]{1,128}$`)},
	"http-request-method": {1, regexp.MustCompile(`^[A-Z_-]{1,40}$`)},
	"source-ip":           {1, regexp.MustCompile(`^[0-9a-fA-F.:/]{1,128}$`)},
	"http-header":         {0, regexp.MustCompile(`^[\x20-\x7e]{1,128}$`)},
	"query-string":        {0, regexp.MustCompile(`^[\x20-\x7e]{0,128}$`)},
}

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'+.^_`|~-]{1,40}$")

// newConditions are the conditions of a rule, within its quotas.
func (s *Sim) newConditions(params []conditionParams) ([]condition, error) {
	var (
		conditions        []condition
		values, wildcards int
		count             = map[string]int{}
	)
	for _, p := range params {
		c, err := p.condition()
		if err != nil {
			return nil, err
		}
		count[c.field]++
		if limit := fields[c.field].max; limit > 0 && count[c.field] > limit {
			return nil, errValidation("A rule can only have one condition of type '%s'", c.field)
		}
		texts := c.texts()
		values += max(len(c.values), len(c.query))
		for _, text := range texts {
			wildcards += strings.Count(text, "*") + strings.Count(text, "?")
		}
		conditions = append(conditions, c)
	}
	switch {
	case len(conditions) == 0:
		return nil, errValidation("A rule must have at least one condition")
	case values > s.quotas.ConditionValuesPerRule:
		return nil, errValidation("A rule can only have '%d' condition values", s.quotas.ConditionValuesPerRule)
	case wildcards > s.quotas.WildcardsPerRule:
		return nil, errValidation("A rule can only have '%d' condition wildcards", s.quotas.WildcardsPerRule)
	}
	return conditions, nil
}

// texts are everything that a condition compares with.
func (c condition) texts() []string {
	texts := slices.Clone(c.values)
	for _, q := range c.query {
		texts = append(texts, q.key, q.value)
	}
	return texts
}

// condition reads the values from the old place or from the field's own.
func (p conditionParams) condition() (condition, error) {
	own := map[string]*condition{}
	if c := p.HostHeaderConfig; c != nil {
		own["host-header"] = &condition{values: c.Values}
	}
	if c := p.PathPatternConfig; c != nil {
		own["path-pattern"] = &condition{values: c.Values}
	}
	if c := p.HttpRequestMethodConfig; c != nil {
		own["http-request-method"] = &condition{values: c.Values}
	}
	if c := p.SourceIpConfig; c != nil {
		own["source-ip"] = &condition{values: c.Values}
	}
	if c := p.HttpHeaderConfig; c != nil {
		own["http-header"] = &condition{name: c.HttpHeaderName, values: c.Values}
	}
	if c := p.QueryStringConfig; c != nil {
		own["query-string"] = &condition{}
		for _, q := range c.Values {
			own["query-string"].query = append(own["query-string"].query, queryValue{q.Key, q.Value})
		}
	}
	return p.merge(own)
}

func (p conditionParams) merge(own map[string]*condition) (condition, error) {
	var c condition
	switch config := own[p.Field]; {
	case len(own) > 1 || len(own) == 1 && config == nil:
		return c, errValidation("The condition config does not belong to a condition of type '%s'", p.Field)
	case config != nil && len(p.Values) > 0 && !slices.Equal(config.values, p.Values):
		return c, errValidation("A condition cannot have different values in 'Values' and in its config")
	case config != nil:
		c = *config
	case p.Field != "host-header" && p.Field != "path-pattern" && fields[p.Field].value != nil:
		return c, errValidation("A condition of type '%s' must have a config", p.Field)
	default:
		c.values = p.Values
	}
	c.field = p.Field
	return c, c.check()
}

func (c condition) check() error {
	f, ok := fields[c.field]
	if !ok {
		return errValidation("Condition field '%s' must be one of '%s'", c.field, strings.Join(sortedKeys(fields), ", "))
	}
	if len(c.values)+len(c.query) == 0 {
		return errValidation("A condition value must be specified for the condition field '%s'", c.field)
	}
	if c.field == "http-header" && (!headerName.MatchString(c.name) || strings.EqualFold(c.name, "Host")) {
		return errValidation("The header name '%s' is not valid for a condition", c.name)
	}
	for _, value := range c.texts() {
		if !f.value.MatchString(value) {
			return errValidation("Condition value '%s' contains a character that is not valid", value)
		}
		if c.field == "source-ip" && !isSource(value) {
			return errValidation("Condition value '%s' is not a CIDR block", value)
		}
	}
	return nil
}

// isSource tells whether a text is a block that clients can come from.
func isSource(text string) bool {
	block, err := netip.ParsePrefix(text)
	return err == nil && block.String() != "255.255.255.255/32"
}
