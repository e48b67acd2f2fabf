# Slab's heap of another process or a core, from outside: dmm show --pid and --core, dmm top.
target_sources(dmm_lab PRIVATE memory.c memory_core.c outside_find.c outside_guarded.c outside_json.c outside_pages.c outside_root.c outside_slab.c
	outside_view.c)
