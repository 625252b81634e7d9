package awssim

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseFormRejects(t *testing.T) {
	tests := map[string]struct {
		dialect dialect
		query   string
		names   string
	}{
		"twice":                     {queryDialect, "Name=a&Name=b", "Name"},
		"empty part of a name":      {queryDialect, "Tags..Key=a", "Tags..Key"},
		"value and structure":       {queryDialect, "A=1&A.B=2", "A.B"},
		"list with a gap":           {queryDialect, "A.member.1=a&A.member.3=b", "A.member"},
		"list from zero":            {queryDialect, "A.member.0=a", "A.member"},
		"list index with a zero":    {queryDialect, "A.member.01=a", "A.member"},
		"flat list with a gap":      {ec2Dialect, "A.2=a", "A"},
		"flat list beside a name":   {ec2Dialect, "A.1=a&A.B=b", "A"},
		"entry without a key":       {queryDialect, "M.entry.1.value=a", "M.entry.1"},
		"entry with something else": {queryDialect, "M.entry.1.key=a&M.entry.1.value=b&M.entry.1.x=c", "M.entry.1"},
		"same key twice":            {queryDialect, "M.entry.1.key=a&M.entry.1.value=b&M.entry.2.key=a&M.entry.2.value=c", "M.entry.2"},
		"too deep":                  {queryDialect, "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1", "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			form, err := url.ParseQuery(c.query)
			require.NoError(t, err)
			_, err = parseForm(c.dialect, form)
			var wrong *paramError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, c.names, wrong.name)
		})
	}
}

type exampleParams struct {
	Name   string `check:"required,max=3"`
	Count  *int   `check:"min=1,max=5"`
	Kind   string `check:"enum=a|b"`
	Items  []exampleItem
	Flags  []bool `check:"max=1"`
	Other  unsupported
	Inner  *exampleItem
	DryRun dryRun
}

type exampleItem struct {
	ID string `name:"Id" check:"required"`
}

func TestDecodeAndCheck(t *testing.T) {
	tests := map[string]struct {
		query string
		class paramClass
		names string // the parameter that is wrong
	}{
		"unknown":              {"Name=a&Nme=b", malformedParam, "Nme"},
		"unknown inside":       {"Name=a&Items.member.1.Id=x&Items.member.1.Foo=b", malformedParam, "Items.1.Foo"},
		"not a number":         {"Name=a&Count=x", malformedParam, "Count"},
		"number too large":     {"Name=a&Count=9999999999", malformedParam, "Count"},
		"not a boolean":        {"Name=a&Flags.member.1=yes", malformedParam, "Flags.1"},
		"scalar for list":      {"Name=a&Items=x", malformedParam, "Items"},
		"scalar for structure": {"Name=a&Inner=x", malformedParam, "Inner"},
		"list for scalar":      {"Name.member.1=a", malformedParam, "Name"},
		"missing":              {"Count=1", missingParam, "Name"},
		"missing inside":       {"Name=a&Items.member.1.Id=", missingParam, "Items.1.Id"},
		"too long":             {"Name=abcd", wrongValue, "Name"},
		"too small":            {"Name=a&Count=0", wrongValue, "Count"},
		"too large":            {"Name=a&Count=6", wrongValue, "Count"},
		"too many":             {"Name=a&Flags.member.1=true&Flags.member.2=true", wrongValue, "Flags"},
		"not of the set":       {"Name=a&Kind=c", wrongValue, "Kind"},
		"unsupported":          {"Name=a&Other.member.1.X=b", unsupportedParam, "Other"},
		"dry run":              {"Name=a&DryRun=true", unsupportedParam, "DryRun"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			var wrong *paramError
			require.ErrorAs(t, decodeQuery(t, c.query, &exampleParams{}), &wrong)
			require.Equal(t, c.names, wrong.name)
			require.Equal(t, c.class, wrong.class)
		})
	}

	var p exampleParams
	require.NoError(t, decodeQuery(t, "Name=a&Count=5&Kind=b&Items.member.1.Id=x&Items.member.2.Id=y&Flags=&Inner.Id=z&DryRun=false", &p))
	require.Equal(t, exampleParams{
		Name: "a", Count: new(5), Kind: "b", Items: []exampleItem{{"x"}, {"y"}}, Flags: []bool{}, Inner: &exampleItem{"z"},
	}, p)
}

func decodeQuery(t *testing.T, query string, out any) error {
	t.Helper()
	form, err := url.ParseQuery(query)
	require.NoError(t, err)
	tree, err := parseForm(queryDialect, form)
	require.NoError(t, err)
	if err := decode(tree, out); err != nil {
		return err
	}
	return check(out)
}

func TestEncodeResult(t *testing.T) {
	type inner struct{ GroupId string }
	result := struct {
		Text, Absent   string
		Empty          *string
		Count          int
		None           *int
		Yes            bool
		When           time.Time
		Items          []inner
		Nothing, Never []string
		Odd            string `name:"oddName"`
	}{
		Text: "a<b&c", Empty: new(""), Yes: true, When: time.Date(2016, 3, 25, 21, 29, 48, 850e6, time.UTC),
		Items: []inner{{"x"}, {"y"}}, Nothing: []string{}, Odd: "z",
	}
	query, err := elbService.encodeResult("DescribeThings", "id-1", result)
	require.NoError(t, err)
	require.Equal(t, `<DescribeThingsResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><DescribeThingsResult>`+
		`<Text>a&lt;b&amp;c</Text><Empty></Empty><Count>0</Count><Yes>true</Yes><When>2016-03-25T21:29:48.850Z</When>`+
		`<Items><member><GroupId>x</GroupId></member><member><GroupId>y</GroupId></member></Items><Nothing></Nothing><oddName>z</oddName>`+
		`</DescribeThingsResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DescribeThingsResponse>`, string(query))

	ec2, err := ec2Service.encodeResult("DescribeThings", "id-1", result)
	require.NoError(t, err)
	require.Equal(t, `<DescribeThingsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>id-1</requestId>`+
		`<text>a&lt;b&amp;c</text><empty></empty><count>0</count><yes>true</yes><when>2016-03-25T21:29:48.850Z</when>`+
		`<items><item><groupId>x</groupId></item><item><groupId>y</groupId></item></items><nothing></nothing><oddName>z</oddName>`+
		`</DescribeThingsResponse>`, string(ec2))

	_, err = elbService.encodeResult("DescribeThings", "id-1", struct{ F float64 }{1})
	require.ErrorContains(t, err, "F")
}

func TestZoneID(t *testing.T) {
	for zone, id := range map[string]string{
		"ap-northeast-3a": "apne3-az1", "us-east-1b": "use1-az2", "eu-central-1c": "euc1-az3",
	} {
		require.Equal(t, id, zoneID(zone))
	}
}

func FuzzParseForm(f *testing.F) {
	f.Add("Targets.member.1.Id=10.0.0.1&Targets.member.2.Id=10.0.0.2")
	f.Add("M.entry.1.key=a&M.entry.1.value=b&Filter.1.Value.1=c")
	f.Add("A.member=x&B.entry=&C.1=x&C.2.D=")
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			t.Skip()
		}
		for _, d := range []dialect{queryDialect, ec2Dialect} {
			if tree, err := parseForm(d, form); err == nil {
				require.Equal(t, form, tree.flatten(d))
			}
		}
	})
}
