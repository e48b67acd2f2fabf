// small.cc - what g++ compiles: templates, classes and a lambda, without the headers of the
// library.
template <typename T> struct Pair {
	T first, second;
	T sum() const { return first + second; }
};

template <int N> struct Tower : Tower<N - 1> {
	int floor[N];
	int height() const { return N + Tower<N - 1>::height(); }
};

template <> struct Tower<0> {
	int height() const { return 0; }
};

struct Base {
	virtual ~Base() {}
	virtual int value() const = 0;
};

template <typename F> struct Derived final : Base {
	F f;
	explicit Derived(F g) : f(g) {}
	int value() const override { return f(Pair<int>{20, 3}.sum()); }
};

int run(int x)
{
	auto f = [x](int y) { return x * y + Tower<60>().height(); };
	const Derived<decltype(f)> derived(f);
	const Base &base = derived;
	return base.value();
}
